"""What happened, a JSON line each, for auditors that trust none of our code. A kill -9 loses at most 50 ms of it."""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec

from runtime.errors import OperatorError, UnavailableError

NOT_ANSWERED = -1
# With the timer's own millisecond, well within the 50 ms that are promised.
GATHER_S = 0.045
_MOST_LINES = 1000


class SubmitLine(msgspec.Struct, gc=False):
    """A submit_sm: what is answered, -1 for nothing. `at` is Unix seconds, `short_message` and the TLVs are hex."""

    type: str
    at: float
    system_id: str
    bind: int
    sequence: int
    source: str
    destination: str
    esm_class: int
    data_coding: int
    registered: int
    validity: str
    short_message: str
    tlvs: dict[str, str]
    status: int
    id: str


class ReceiptLine(msgspec.Struct, gc=False):
    """A receipt or an MO, sent or acknowledged. `type` is receipt, flood (a receipt for nothing submitted) or mo."""

    type: str
    event: str
    at: float
    system_id: str
    bind: int
    id: str
    destination: str
    state: str
    status: int
    again: bool


class SessionLine(msgspec.Struct, gc=False):
    """A bind (with its status), an unbind or a disconnect, and why."""

    type: str
    at: float
    system_id: str
    bind: int
    mode: str
    status: int
    reason: str


class UnansweredLine(msgspec.Struct, gc=False):
    """An answer that a submit line tells of, and that the connection's end overtook."""

    type: str
    at: float
    system_id: str
    bind: int
    sequence: int


Line = SubmitLine | ReceiptLine | SessionLine | UnansweredLine


class Journal:
    """Lines gathered and written together. `on_first` is called when there is something to write within GATHER_S,
    `on_fault` when the file can't be written any more."""

    def __init__(self, path: str, on_first: Callable[[], None], on_fault: Callable[[OperatorError], None]) -> None:
        self._path = path
        self._on_first = on_first
        self._on_fault = on_fault
        self._lines: list[Line] = []
        self._encode = msgspec.json.Encoder().encode_lines
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as fault:
            raise UnavailableError(f"can't write the journal {path}", fault.strerror or str(fault)) from None

    def add(self, line: Line) -> None:
        lines = self._lines
        lines.append(line)
        if len(lines) == 1:
            self._on_first()
        elif len(lines) >= _MOST_LINES:
            self.flush()

    def flush(self) -> None:
        """Hands everything to the kernel."""
        if not self._lines:
            return
        rest = memoryview(self._encode(self._lines))
        self._lines.clear()
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as fault:
            self._on_fault(UnavailableError(f"can't write the journal {self._path}", fault.strerror or str(fault)))

    def close(self) -> None:
        self.flush()
        os.close(self._file)
