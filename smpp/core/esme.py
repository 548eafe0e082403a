"""The client's end of a session: bind, window, submits and their answers, deliveries and their responses.

Hot: an answer costs a dictionary pop and an append, a delivery one regular expression. Tokens are the caller's: what it
gives with a submit comes back with the answer.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar

from smpp.core.constants import (
    DATA_SM,
    DELIVER_SM,
    INTERFACE_VERSION,
    MAX_SEQUENCE,
    RESPONSE,
    SUBMIT_SM,
    SUBMIT_SM_RESP,
    Command,
    CommandStatus,
    status_name,
)
from smpp.core.errors import ConnectionFault, PduFault
from smpp.core.pdu import HEADER, Pdu, Value, decode_body, encode, header_only, known_command
from smpp.core.session import Note, Session, State, Step
from smpp.core.sm import Delivery, decode_data_sm, decode_delivery

T = TypeVar("T")
_PACK: Final = HEADER.pack
_BIND_RESPONSES: Final = frozenset(
    (Command.BIND_TRANSCEIVER_RESP, Command.BIND_TRANSMITTER_RESP, Command.BIND_RECEIVER_RESP)
)
MOST_LATE: Final = 10_000


@dataclass(frozen=True, slots=True)
class BindParams:
    """How to bind. `command` is one of the three bind commands; durations are seconds."""

    system_id: str
    password: str
    system_type: str = ""
    command: Command = Command.BIND_TRANSCEIVER
    enquire_link_s: float = 30.0
    bind_timeout_s: float = 10.0
    submit_timeout_s: float = 60.0


class Answer(NamedTuple, Generic[T]):
    """The carrier's answer to one submit. `message_id` is empty in a refusal, and in a careless acceptance."""

    token: T
    status: int
    message_id: str


class Received(NamedTuple, Generic[T]):
    """What some bytes, or the time, brought. `output` goes to the peer before anything else; `fault` ends the session."""

    answers: list[Answer[T]]
    late: list[Answer[T]]
    """Answers to what was given up as `unanswered` before."""
    deliveries: list[Delivery]
    unanswered: list[T]
    notes: list[Note]
    output: bytes
    fault: ConnectionFault | None


class EsmeSession(Session, Generic[T]):
    """One bind. The caller keeps to the window (`outstanding`) and the rate; the session keeps the protocol."""

    def __init__(self, params: BindParams, now: float) -> None:
        super().__init__(now, params.enquire_link_s, min(params.enquire_link_s, params.bind_timeout_s))
        self._params = params
        self._opened = now
        self._window: dict[int, tuple[T, float]] = {}
        self._late: dict[int, T] = {}
        # An answer that comes late must not meet the sequence of another submit.
        self._taken: ChainMap[int, Any] = ChainMap(self._window, self._late)

    @property
    def outstanding(self) -> int:
        """Submits without an answer, those given up by the timeout not counted."""
        return len(self._window)

    def bind(self) -> bytes:
        """The bind PDU, first bytes of the session."""
        self.move(Step.BIND_SENT)
        params = self._params
        fields: dict[str, Value] = {
            "system_id": params.system_id,
            "password": params.password,
            "system_type": params.system_type,
            "interface_version": INTERFACE_VERSION,
        }
        return encode(Pdu(params.command, 0, self.next_sequence(()), fields))

    def submit(self, batch: Iterable[tuple[T, bytes]], now: float) -> bytes:
        """submit_sm for each (token, body), in order. Raises ValueError when the session may not submit."""
        if self.state is not State.BOUND:
            raise ValueError(f"no submit in a session that is {self.state.value}")
        window, late, sequence = self._window, self._late, self._last_sequence
        chunks: list[bytes] = []
        for token, body in batch:
            sequence = sequence + 1 if sequence < MAX_SEQUENCE else 1
            if sequence in window or sequence in late:
                sequence = self.next_sequence(self._taken)
            window[sequence] = (token, now)
            chunks += (_PACK(16 + len(body), SUBMIT_SM, 0, sequence), body)
        self._last_sequence = sequence
        return b"".join(chunks)

    @staticmethod
    def respond(deliveries: Iterable[tuple[int, int]], status: int = 0) -> bytes:
        """Responses for (sequence, command_id) of deliveries. message_id is unused and empty (§4.6.2)."""
        return b"".join([_PACK(17, command | RESPONSE, status, sequence) + b"\0" for sequence, command in deliveries])

    def receive(self, data: bytes, now: float) -> Received[T]:
        """Digests what the socket gave. Never raises on hostile bytes: see `Received.fault` and `notes`."""
        got: Received[T] = Received([], [], [], [], [], b"", None)
        output: list[bytes] = []
        answers, deliveries, window = got.answers, got.deliveries, self._window
        self.heard(now)
        fault = None
        try:
            for command, status, sequence, buffer, start, end in self.frames(data):
                if command == SUBMIT_SM_RESP:
                    entry = window.pop(sequence, None)
                    if entry is None:
                        self._late_answer(sequence, status, buffer[start:end], got)
                        continue
                    nul = buffer.find(0, start, end)
                    identity = buffer[start : end if nul < 0 else nul]
                    answers.append(Answer(entry[0], status, identity.decode("latin-1")))
                elif command == DELIVER_SM:
                    try:
                        deliveries.append(decode_delivery(buffer, start, end, sequence))
                    except PduFault as refused:
                        output.append(self._refuse(command, sequence, refused, got))
                else:
                    output.append(self._other(command, status, sequence, buffer, start, end, got))
        except ConnectionFault as broken:
            fault = broken
            self.move(Step.FAULT)
        return got._replace(output=b"".join(output), fault=fault)

    def tick(self, now: float) -> Received[T]:
        """What the time brought: submits unanswered, enquire_link due, a bind or a link that is dead."""
        got: Received[T] = Received([], [], [], [], [], b"", None)
        output, fault = b"", None
        try:
            if self.state in (State.OPEN, State.BINDING, State.UNBINDING):
                if now >= self._opened + self._params.bind_timeout_s:
                    raise ConnectionFault("bind_timeout", f"no answer while {self.state.value}")
            elif self.state is not State.CLOSED:
                self._give_up(now, got.unanswered)
                output = self.check_link(now, self._taken)
        except ConnectionFault as dead:
            fault = dead
            self.move(Step.FAULT)
        return got._replace(output=output, fault=fault)

    def deadline(self) -> float:
        """When `tick` has something to do."""
        if self.state in (State.OPEN, State.BINDING, State.UNBINDING):
            return self._opened + self._params.bind_timeout_s
        oldest = next(iter(self._window.values()), None)
        link = self.link_deadline()
        return link if oldest is None else min(link, oldest[1] + self._params.submit_timeout_s)

    def unbind(self, now: float) -> bytes:
        """unbind when bound, nothing otherwise; its answer may never come (see `deadline`)."""
        if not self.move(Step.UNBIND_SENT):
            return b""
        self._opened = now
        return header_only(Command.UNBIND, self.next_sequence(self._taken))

    def abandon(self) -> list[T]:
        """Tokens without an answer, oldest first, those given up before not among them: the connection is gone."""
        tokens = [token for token, _ in self._window.values()]
        self._window.clear()
        self._late.clear()
        self.move(Step.FAULT)
        return tokens

    def _give_up(self, now: float, unanswered: list[T]) -> None:
        limit = now - self._params.submit_timeout_s
        for sequence, (token, sent) in list(self._window.items()):
            if sent > limit:
                break
            del self._window[sequence]
            if len(self._late) >= MOST_LATE:
                del self._late[next(iter(self._late))]
            self._late[sequence] = token
            unanswered.append(token)

    def _late_answer(self, sequence: int, status: int, body: bytes, got: Received[T]) -> None:
        token = self._late.pop(sequence, None)
        if token is None:
            got.notes.append(Note("unexpected_response", status))
            return
        got.notes.append(Note("late_response", status))
        got.late.append(Answer(token, status, body.partition(b"\0")[0].decode("latin-1")))

    @staticmethod
    def _refuse(command: int, sequence: int, refused: PduFault, got: Received[T]) -> bytes:
        got.notes.append(Note(refused.kind, refused.status, refused.detail))
        return _PACK(17, command | RESPONSE, refused.status, sequence) + b"\0"

    def _other(
        self, command: int, status: int, sequence: int, buffer: bytes, start: int, end: int, got: Received[T]
    ) -> bytes:
        if command == Command.ENQUIRE_LINK:
            return header_only(Command.ENQUIRE_LINK_RESP, sequence)
        if command == Command.ENQUIRE_LINK_RESP:
            return b""
        if command == DATA_SM:
            try:
                got.deliveries.append(decode_data_sm(buffer, start, end, sequence))
            except PduFault as refused:
                return self._refuse(command, sequence, refused, got)
            return b""
        if command == Command.GENERIC_NACK:
            return self._nacked(status, sequence, got)
        if command in _BIND_RESPONSES:
            return self._bound(Command(command), status, buffer, start, end, got)
        if command == Command.UNBIND:
            self.move(Step.UNBIND_RECEIVED)
            got.notes.append(Note("peer_unbind"))
            return header_only(Command.UNBIND_RESP, sequence)
        if command == Command.UNBIND_RESP:
            self.move(Step.UNBIND_ANSWERED)
            got.notes.append(Note("unbound"))
            return b""
        return self._rare(command, sequence, got)

    def _rare(self, command: int, sequence: int, got: Received[T]) -> bytes:
        if command in (Command.ALERT_NOTIFICATION, Command.OUTBIND):
            got.notes.append(Note(Command(command).name.lower()))
            return b""
        known = known_command(command)
        got.notes.append(Note("unexpected_command" if known else "unknown_command", detail=f"0x{command:08X}"))
        return self.refuse_command(command, sequence)

    def _nacked(self, status: int, sequence: int, got: Received[T]) -> bytes:
        entry = self._window.pop(sequence, None)
        if entry is not None:
            got.answers.append(Answer(entry[0], status or CommandStatus.ESME_RUNKNOWNERR, ""))
        elif sequence in self._late:
            got.notes.append(Note("late_response", status))
            got.late.append(Answer(self._late.pop(sequence), status or CommandStatus.ESME_RUNKNOWNERR, ""))
        elif self.state is State.BINDING:
            self.move(Step.BIND_REFUSED)
            got.notes.append(Note("bind_refused", status, status_name(status)))
        else:
            # Sequence 0: the peer could not even read which request it was. Which of ours it is, the timeout will tell.
            got.notes.append(Note("nack_unmatched", status))
        return b""

    def _bound(self, command: Command, status: int, buffer: bytes, start: int, end: int, got: Received[T]) -> bytes:
        if self.state is not State.BINDING:
            got.notes.append(Note("unexpected_response", status))
            return b""
        if status != 0:
            self.move(Step.BIND_REFUSED)
            got.notes.append(Note("bind_refused", status, status_name(status)))
            return b""
        self.move(Step.BIND_ACCEPTED)
        try:
            fields, _ = decode_body(command, status, buffer, start, end)
        except PduFault:
            fields = {}  # a bind_resp that accepts is an acceptance, however odd its body
        got.notes.append(Note("bound", fields=fields))
        return b""
