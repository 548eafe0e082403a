"""A simulator in virtual time: no socket, a clock that is moved by hand, clients built on smpp.core.esme."""

from __future__ import annotations

import asyncio
from typing import Any

from runtime.clock import ManualClock
from simulator.connection import Connection
from simulator.presets import scenario_of
from simulator.smsc import Smsc
from smpp.core.constants import Command
from smpp.core.esme import Answer, BindParams, EsmeSession
from smpp.core.session import Note, State
from smpp.core.sm import Delivery, Sm, encode_sm

Token = int


class Wire(asyncio.Transport):
    """A transport that hands what is written to the client at once."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.reading = True
        self.gone = ""

    def write(self, data: Any) -> None:
        if not self.gone:
            self.written += data

    def close(self) -> None:
        self.gone = self.gone or "closed"

    def abort(self) -> None:
        self.gone = self.gone or "aborted"

    def is_closing(self) -> bool:
        return bool(self.gone)

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high is None or high > 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("test", 1) if name == "peername" else default


class Client:
    """An ESME on a wire. What it got is in `answers`, `deliveries` and `notes`; receipts are acknowledged with `reply`."""

    def __init__(self, rig: Rig, system_id: str, password: str, command: Command) -> None:
        self._rig = rig
        self.wire = Wire()
        self.session: EsmeSession[Token] = EsmeSession(
            BindParams(system_id, password, command=command), rig.clock.monotonic()
        )
        self.answers: list[Answer[Token]] = []
        self.deliveries: list[Delivery] = []
        self.notes: list[Note] = []
        self.reply: int | None = 0
        self.raw = b""
        self._reported = False
        self._next = 0
        self.connection = Connection(rig.smsc)
        self.connection.connection_made(self.wire)
        self._give(self.session.bind())

    @property
    def bound(self) -> bool:
        return self.session.state is State.BOUND

    @property
    def connected(self) -> bool:
        return not self.wire.gone

    @property
    def refusal(self) -> int:
        """The status that the bind was refused with."""
        return next(note.status for note in self.notes if note.kind == "bind_refused")

    def submit(self, *messages: Sm) -> None:
        """All in one read of the SMSC; the token of each is its number."""
        batch = []
        for message in messages:
            batch.append((self._next, encode_sm(message)))
            self._next += 1
        self._give(self.session.submit(batch, self._rig.clock.monotonic()))

    def unbind(self) -> None:
        self._give(self.session.unbind(self._rig.clock.monotonic()))

    def hang_up(self) -> None:
        """The connection is lost."""
        self.wire.close()
        self.pump()

    @property
    def is_read(self) -> bool:
        """Whether the SMSC reads from this connection."""
        return self.wire.reading

    def statuses(self) -> list[int]:
        return [answer.status for answer in self.answers]

    def ids(self) -> list[str]:
        return [answer.message_id for answer in self.answers]

    def pump(self) -> None:
        """Reads what the SMSC wrote; tells it when the wire is cut."""
        while self.wire.written:
            data, self.wire.written = self.wire.written, b""
            self.raw += data
            got = self.session.receive(data, self._rig.clock.monotonic())
            self.answers += got.answers
            self.deliveries += got.deliveries
            self.notes += got.notes
            reply = b"" if self.reply is None else self.session.respond(
                [(delivery.sequence, delivery.command_id) for delivery in got.deliveries], self.reply
            )  # fmt: skip
            if (got.output or reply) and not self.wire.gone:
                self.connection.data_received(got.output + reply)
        if self.wire.gone and not self._reported:
            self._reported = True
            self.connection.connection_lost(None)

    def _give(self, data: bytes) -> None:
        if self.wire.reading and not self.wire.gone:
            self.connection.data_received(data)
        self._rig.pump()


class Rig:
    """An SMSC and its clients. Scenario options are keyword arguments; `accounts` too."""

    def __init__(self, seed: int = 1, journal: str | None = None, **scenario: Any) -> None:
        self.clock = ManualClock()
        self.smsc = Smsc(scenario_of({"first_message_id": 1000, **scenario}, {}), seed, self.clock, journal)
        self.clients: list[Client] = []

    def client(
        self, system_id: str = "alpha", password: str = "secret", command: Command = Command.BIND_TRANSCEIVER
    ) -> Client:
        client = Client(self, system_id, password, command)
        self.clients.append(client)
        self.pump()
        return client

    def advance(self, seconds: float) -> None:
        """Lets time pass, doing what is due when it is due."""
        end = self.clock.monotonic() + seconds
        while (due := self.smsc.agenda.next_due()) is not None and due <= end:
            self.clock.advance(max(0.0, due - self.clock.monotonic()))
            self.smsc.agenda.advance(self.clock.monotonic())
            self.pump()
        self.clock.advance(end - self.clock.monotonic())
        self.pump()

    def pump(self) -> None:
        for client in self.clients:
            client.pump()


def message(text: str = "hello", to: str = "8613800000000", registered: int = 1, **fields: Any) -> Sm:
    """A submit_sm."""
    plain = Sm("", 5, 0, "Acme", 1, 1, to, 0, 0, 0, "", "", registered, 0, 0, 0, text.encode())
    return plain._replace(**fields)


def many(count: int, **fields: Any) -> list[Sm]:
    """Messages that differ in their texts."""
    return [message(f"text {number}", **fields) for number in range(count)]
