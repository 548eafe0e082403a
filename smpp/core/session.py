"""What both ends of a session share: states and their transitions as a table, framing, sequence numbers, the link's timers."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, Final, NamedTuple

from smpp.core.constants import HEADER_BYTES, MAX_PDU_BYTES, MAX_SEQUENCE, Command, CommandStatus
from smpp.core.errors import ConnectionFault
from smpp.core.pdu import HEADER, header_only


class State(Enum):
    """Where a session is (§2.2). A pair of transmitter and receiver is two sessions."""

    OPEN = "open"
    BINDING = "binding"
    BOUND = "bound"
    CLOSING = "closing"  # the peer unbound: answer what is outstanding, submit nothing
    UNBINDING = "unbinding"
    CLOSED = "closed"


class Step(Enum):
    """What moves a session on."""

    BIND_SENT = "bind_sent"
    BIND_ACCEPTED = "bind_accepted"
    BIND_REFUSED = "bind_refused"
    UNBIND_SENT = "unbind_sent"
    UNBIND_RECEIVED = "unbind_received"
    UNBIND_ANSWERED = "unbind_answered"
    FAULT = "fault"


TRANSITIONS: Final[dict[tuple[State, Step], State]] = {
    (State.OPEN, Step.BIND_SENT): State.BINDING,
    (State.BINDING, Step.BIND_ACCEPTED): State.BOUND,
    (State.BINDING, Step.BIND_REFUSED): State.CLOSED,
    (State.BINDING, Step.UNBIND_RECEIVED): State.CLOSED,
    (State.BOUND, Step.UNBIND_SENT): State.UNBINDING,
    (State.BOUND, Step.UNBIND_RECEIVED): State.CLOSING,
    (State.CLOSING, Step.UNBIND_SENT): State.UNBINDING,
    (State.CLOSING, Step.UNBIND_RECEIVED): State.CLOSING,
    (State.UNBINDING, Step.UNBIND_ANSWERED): State.CLOSED,
    (State.UNBINDING, Step.UNBIND_RECEIVED): State.CLOSED,
    **{(state, Step.FAULT): State.CLOSED for state in State},
}


class Note(NamedTuple):
    """Something worth counting or acting on that is not traffic. `kind` is a stable word."""

    kind: str
    status: int = 0
    detail: str = ""
    fields: dict[str, Any] | None = None


class Session:
    """Framing, sequence numbers and link timers of one end. `now` is monotonic seconds."""

    def __init__(self, now: float, link_s: float, link_timeout_s: float, max_pdu_bytes: int = MAX_PDU_BYTES) -> None:
        self.state = State.OPEN
        self._rest = b""
        self._max_pdu_bytes = max_pdu_bytes
        self._last_sequence = 0
        self._link_s = link_s
        self._link_timeout_s = link_timeout_s
        self._last_heard = now
        self._link_asked: float | None = None

    def move(self, step: Step) -> bool:
        """Takes a step if the table has it from here; tells whether it did."""
        target = TRANSITIONS.get((self.state, step))
        if target is not None:
            self.state = target
        return target is not None

    def next_sequence(self, taken: Any) -> int:
        """The next number from 1 to 0x7FFFFFFF that is not in `taken` (§3.2; the wrap skips what is outstanding)."""
        sequence = self._last_sequence
        while True:
            sequence = sequence + 1 if sequence < MAX_SEQUENCE else 1
            if sequence not in taken:
                self._last_sequence = sequence
                return sequence

    def frames(self, data: bytes) -> Iterator[tuple[int, int, int, bytes, int, int]]:
        """(command, status, sequence, buffer, start of body, end) of each whole PDU; keeps the rest.

        Raises ConnectionFault, after the PDUs before it, when a length can't be one.
        """
        buffer = self._rest + data if self._rest else data
        at, size = 0, len(buffer)
        try:
            while size - at >= HEADER_BYTES:
                length, command, status, sequence = HEADER.unpack_from(buffer, at)
                if not HEADER_BYTES <= length <= self._max_pdu_bytes:
                    raise ConnectionFault(
                        "bad_length", f"command_length {length} is no PDU's: the stream is out of step"
                    )
                end = at + length
                if end > size:
                    break
                start, at = at + HEADER_BYTES, end
                yield command, status, sequence, buffer, start, end
        finally:
            self._rest = buffer[at:]

    def heard(self, now: float) -> None:
        self._last_heard = now
        self._link_asked = None

    def link_deadline(self) -> float:
        """When `check_link` has something to do."""
        if self._link_asked is not None:
            return self._link_asked + self._link_timeout_s
        return self._last_heard + self._link_s

    def check_link(self, now: float, taken: Any) -> bytes:
        """enquire_link when it is time. Raises ConnectionFault when the peer said nothing since the last one."""
        if now < self.link_deadline():
            return b""
        if self._link_asked is not None:
            raise ConnectionFault(
                "enquire_link_timeout", f"the peer was silent for {now - self._last_heard:.1f} s: half open"
            )
        self._link_asked = now
        return header_only(Command.ENQUIRE_LINK, self.next_sequence(taken))

    @staticmethod
    def refuse_command(command: int, sequence: int) -> bytes:
        """generic_nack for a command that nobody knows (§4.3); nothing for a response to nothing."""
        if command & 0x80000000:
            return b""
        return header_only(Command.GENERIC_NACK, sequence, CommandStatus.ESME_RINVCMDID)
