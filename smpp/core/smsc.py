"""The server's end of a session, for the simulator and for tests: binds, submits, answers, deliveries.

It keeps the protocol and decides nothing: whom to let in, what to answer and when is the caller's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Generic, NamedTuple, TypeVar

from smpp.core.constants import (
    DATA_SM_RESP,
    DELIVER_SM,
    DELIVER_SM_RESP,
    MAX_SEQUENCE,
    RESPONSE,
    SUBMIT_SM,
    SUBMIT_SM_RESP,
    Command,
    CommandStatus,
)
from smpp.core.errors import ConnectionFault, PduFault
from smpp.core.pdu import HEADER, Pdu, Value, decode_body, encode, header_only, known_command
from smpp.core.session import Note, Session, State, Step
from smpp.core.sm import Sm, decode_sm

T = TypeVar("T")
_PACK: Final = HEADER.pack
_BINDS: Final = frozenset((Command.BIND_TRANSCEIVER, Command.BIND_TRANSMITTER, Command.BIND_RECEIVER))


class BindRequest(NamedTuple):
    """An ESME that wants in."""

    sequence: int
    command: Command
    system_id: str
    password: str
    system_type: str
    interface_version: int


class SmscReceived(NamedTuple, Generic[T]):
    """What some bytes brought. `submits` are (sequence, message); `acknowledged` are (token, status) of deliveries."""

    binds: list[BindRequest]
    submits: list[tuple[int, Sm]]
    acknowledged: list[tuple[T, int]]
    notes: list[Note]
    output: bytes
    fault: ConnectionFault | None


class SmscSession(Session, Generic[T]):
    """One connection of an ESME."""

    def __init__(self, now: float, link_s: float = 60.0, link_timeout_s: float = 30.0) -> None:
        super().__init__(now, link_s, link_timeout_s)
        self.mode: Command | None = None
        self._unacknowledged: dict[int, T] = {}

    @property
    def outstanding(self) -> int:
        """Deliveries without a response."""
        return len(self._unacknowledged)

    def accept_bind(self, request: BindRequest, system_id: str) -> bytes:
        self.mode = request.command
        self.move(Step.BIND_SENT)
        self.move(Step.BIND_ACCEPTED)
        response = Command(request.command | RESPONSE)
        fields: dict[str, Value] = {"system_id": system_id}
        return encode(Pdu(response, 0, request.sequence, fields, ((0x0210, b"\x34"),)))

    @staticmethod
    def refuse_bind(request: BindRequest, status: int) -> bytes:
        return header_only(request.command | RESPONSE, request.sequence, status)

    @staticmethod
    def answer(answers: Iterable[tuple[int, int, bytes]]) -> bytes:
        """submit_sm_resp for each (sequence, status, message id)."""
        return b"".join(
            [
                _PACK(17 + len(identity), SUBMIT_SM_RESP, status, sequence) + identity + b"\0"
                if not status
                else _PACK(16, SUBMIT_SM_RESP, status, sequence)
                for sequence, status, identity in answers
            ]
        )

    def deliver(self, batch: Iterable[tuple[T, bytes]]) -> bytes:
        """deliver_sm for each (token, body); the token comes back when the ESME responds."""
        waiting, sequence = self._unacknowledged, self._last_sequence
        chunks: list[bytes] = []
        for token, body in batch:
            sequence = sequence + 1 if sequence < MAX_SEQUENCE else 1
            if sequence in waiting:
                sequence = self.next_sequence(waiting)
            waiting[sequence] = token
            chunks += (_PACK(16 + len(body), DELIVER_SM, 0, sequence), body)
        self._last_sequence = sequence
        return b"".join(chunks)

    def unbind(self) -> bytes:
        """Asks the ESME to go."""
        self.move(Step.UNBIND_SENT)
        return header_only(Command.UNBIND, self.next_sequence(self._unacknowledged))

    def abandon(self) -> list[T]:
        """Deliveries that were never responded to: the connection is gone."""
        tokens = list(self._unacknowledged.values())
        self._unacknowledged.clear()
        self.move(Step.FAULT)
        return tokens

    def receive(self, data: bytes, now: float) -> SmscReceived[T]:
        """Digests what the socket gave. Never raises on hostile bytes."""
        got: SmscReceived[T] = SmscReceived([], [], [], [], b"", None)
        output: list[bytes] = []
        submits, acknowledged, waiting = got.submits, got.acknowledged, self._unacknowledged
        self.heard(now)
        fault = None
        try:
            for command, status, sequence, buffer, start, end in self.frames(data):
                if command == SUBMIT_SM and self.state is State.BOUND:
                    try:
                        submits.append((sequence, decode_sm(buffer, start, end)))
                    except PduFault as refused:
                        got.notes.append(Note(refused.kind, refused.status, refused.detail))
                        output.append(_PACK(16, SUBMIT_SM_RESP, refused.status, sequence))
                elif command in (DELIVER_SM_RESP, DATA_SM_RESP):
                    if sequence in waiting:
                        acknowledged.append((waiting.pop(sequence), status))
                    else:
                        got.notes.append(Note("unexpected_response", status))
                else:
                    output.append(self._other(command, status, sequence, buffer, start, end, got))
        except ConnectionFault as broken:
            fault = broken
            self.move(Step.FAULT)
        return got._replace(output=b"".join(output), fault=fault)

    def _other(
        self, command: int, status: int, sequence: int, buffer: bytes, start: int, end: int, got: SmscReceived[T]
    ) -> bytes:
        if command == Command.ENQUIRE_LINK:
            return header_only(Command.ENQUIRE_LINK_RESP, sequence)
        if command == Command.ENQUIRE_LINK_RESP:
            return b""
        if command in _BINDS:
            return self._bind(Command(command), status, sequence, buffer, start, end, got)
        if command == Command.UNBIND:
            self.move(Step.UNBIND_RECEIVED)
            got.notes.append(Note("peer_unbind"))
            return header_only(Command.UNBIND_RESP, sequence)
        if command == Command.UNBIND_RESP:
            self.move(Step.UNBIND_ANSWERED)
            got.notes.append(Note("unbound"))
            return b""
        if command == Command.GENERIC_NACK:
            token = self._unacknowledged.pop(sequence, None)
            if token is not None:
                got.acknowledged.append((token, status or CommandStatus.ESME_RUNKNOWNERR))
            return b""
        if command == SUBMIT_SM:
            return header_only(SUBMIT_SM_RESP, sequence, CommandStatus.ESME_RINVBNDSTS)
        got.notes.append(
            Note("unexpected_command" if known_command(command) else "unknown_command", detail=f"0x{command:08X}")
        )
        return self.refuse_command(command, sequence)

    def _bind(
        self, command: Command, status: int, sequence: int, buffer: bytes, start: int, end: int, got: SmscReceived[T]
    ) -> bytes:
        if self.state is not State.OPEN:
            return header_only(command | RESPONSE, sequence, CommandStatus.ESME_RALYBND)
        try:
            fields, _ = decode_body(command, status, buffer, start, end)
        except PduFault as refused:
            got.notes.append(Note(refused.kind, refused.status, refused.detail))
            return header_only(command | RESPONSE, sequence, refused.status)
        got.binds.append(
            BindRequest(
                sequence,
                command,
                str(fields["system_id"]),
                str(fields["password"]),
                str(fields["system_type"]),
                int(fields["interface_version"]),
            )
        )
        return b""
