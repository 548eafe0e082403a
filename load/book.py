"""The client's book: what it was told, for auditors (CONTRACT, "For auditors"). Append-only JSON lines.

`{"id","to","nonce","accepted_at"}` for each 202; `{"id":null,…,"accepted_at":null}` for a message whose request got no
answer: it may have been accepted, and nobody said so.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from datetime import UTC, datetime

from load.messages import Message
from runtime.errors import UnavailableError


class Book:
    """Handed to the kernel at the end of each round of the event loop: a kill of this process loses a moment at most."""

    def __init__(self, path: str) -> None:
        """Raises UnavailableError when the file can't be written."""
        self._path = path
        self._waiting: list[bytes] = []
        self._fault: UnavailableError | None = None
        self._stamp: tuple[int, bytes] = (0, b"")
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as fault:
            raise UnavailableError(f"can't write the book {path}", fault.strerror or str(fault)) from None

    def accepted(self, messages: Sequence[Message], ids: Sequence[str | None], wall_s: float) -> None:
        """Those messages that have an id."""
        at = self._time(int(wall_s * 1000))
        self._write(
            b"".join(
                [
                    b'{"id":"%b","to":"+%b","nonce":"%b","accepted_at":"%b"}\n' % (given.encode(), to, nonce, at)
                    for (to, nonce, _), given in zip(messages, ids, strict=True)
                    if given is not None
                ]
            )
        )

    def unanswered(self, messages: Sequence[Message]) -> None:
        """Messages that may have been accepted."""
        line = b'{"id":null,"to":"+%b","nonce":"%b","accepted_at":null}\n'
        self._write(b"".join([line % (to, nonce) for to, nonce, _ in messages]))

    def _time(self, wall_ms: int) -> bytes:
        """RFC 3339; a millisecond's is kept, since formatting costs more than all the rest of a line."""
        if wall_ms != self._stamp[0]:
            text = datetime.fromtimestamp(wall_ms / 1000, UTC).isoformat(timespec="milliseconds")
            self._stamp = (wall_ms, text.replace("+00:00", "Z").encode())
        return self._stamp[1]

    def close(self) -> None:
        """Raises UnavailableError when something could not be written."""
        self._flush()
        os.close(self._file)
        self._check()

    def _check(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _write(self, data: bytes) -> None:
        self._check()
        # One write a round: one a message would halve what the tool can do.
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(data)

    def _flush(self) -> None:
        rest = memoryview(b"".join(self._waiting))
        self._waiting.clear()
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as fault:
            self._fault = UnavailableError(f"can't write the book {self._path}", fault.strerror or str(fault))
