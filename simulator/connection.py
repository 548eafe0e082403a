"""One TCP connection: bytes in, the account's intake and the post do the work, bytes out in as few writes as can be."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, cast

from simulator.account import MODES, Account
from simulator.wire import Delivery, SimulatorSession
from smpp.core.constants import Command, CommandStatus
from smpp.core.errors import ConnectionFault
from smpp.core.pdu import header_only
from smpp.core.smsc import BindRequest

if TYPE_CHECKING:
    from simulator.smsc import Smsc

HIGH_WATER_BYTES: Final = 1 << 20


class Connection(asyncio.Protocol):
    """An ESME's connection. `takes`: bound and able to get deliveries; `first`: who gets those for
    its own submits, this one or, when None, whom the post chooses."""

    def __init__(self, smsc: Smsc) -> None:
        self._smsc = smsc
        self.opened_at = self.heard_at = smsc.clock.monotonic()
        self.session = SimulatorSession(self.opened_at)
        self.number = 0
        self.mode = ""
        self.first: Connection | None = None
        self.takes = self.submits_allowed = False
        self.submits = 0
        self.unanswered = 0
        self.backlog: deque[Delivery] = deque()
        self.seen_unanswered: set[int] = set()
        self.closed = False
        self._account: Account | None = None
        self._transport: asyncio.Transport | None = None
        self._held: list[bytes] = []
        self._frozen = 0
        self.dribbling = False
        self._full = False
        self._why = ""

    @property
    def account(self) -> Account:
        """The account it is bound as. Only for connections that are bound, or were."""
        if self._account is None:
            raise RuntimeError("not bound yet")
        return self._account

    @property
    def system_id(self) -> str:
        return self._account.name if self._account else ""

    @property
    def blocked(self) -> bool:
        """Whether deliveries must wait: frozen, or the ESME does not read."""
        return self._full or self._frozen > 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        self._smsc.opened(self)

    def data_received(self, data: bytes) -> None:
        smsc = self._smsc
        now = smsc.clock.monotonic()
        self.heard_at = now
        submits, got = self.session.digest(data, now)
        if submits:
            self.account.intake.take(self, submits, now)
        if got.acknowledged:
            smsc.post.acknowledged(self, got.acknowledged, now)
        if got.output:
            self.write(got.output)
        if got.binds or got.notes or got.fault:
            for request in got.binds:
                smsc.bind(self, request)
            for note in got.notes:
                self._noted(note.kind)
            if got.fault:
                self._faulted(got.fault)
        smsc.post.dispatch()

    def take_held(self) -> bytes:
        """What was kept back and never sent."""
        held, self._held = b"".join(self._held), []
        return held

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._stop_taking()
        self._smsc.closed(self, self._why or ("reset" if exc else "closed by the peer"))

    def pause_writing(self) -> None:
        # An ESME that submits and reads no answers must not fill our memory.
        self._full = True
        self._read_or_not()

    def resume_writing(self) -> None:
        self._full = False
        self._read_or_not()
        self._smsc.post.flush(self)

    def accept(self, account: Account, request: BindRequest, number: int) -> None:
        """Bound: answers, and from now on takes what its mode allows."""
        self._account = account
        self.number = number
        self.mode = MODES[request.command]
        self.write(self.session.accept_bind(request, "simulator"))
        self.submits_allowed = request.command != Command.BIND_RECEIVER
        self.takes = request.command != Command.BIND_TRANSMITTER
        self.settle()

    def settle(self) -> None:
        """Follows a change of its account's scenario."""
        self.first = self if self.takes and not self.account.spreads else None

    def refuse(self, request: BindRequest, status: int) -> None:
        self.write(self.session.refuse_bind(request, status))
        self.close("bind refused")

    def write(self, data: bytes) -> None:
        """Sends, or keeps while frozen or dribbling; nothing once it is closed."""
        if self._frozen or self.dribbling:
            self._held.append(data)
        elif not self.closed and self._transport is not None:
            self._transport.write(data)

    def answered(self, data: list[bytes]) -> None:
        """Writes answers that had waited."""
        self.unanswered -= len(data)
        self.write(b"".join(data))

    def freeze(self) -> None:
        """Neither reads nor writes until thawed as often as frozen: the kernel's window closes."""
        self._frozen += 1
        self._read_or_not()

    def thaw(self) -> None:
        self._frozen -= 1
        if not self._frozen:
            self.release()
            self._read_or_not()

    def release(self) -> None:
        """Writes what was kept back."""
        self.write(self.take_held())
        self._smsc.post.flush(self)

    def dribble(self, size: int) -> None:
        """Sends `size` bytes of what was kept back."""
        data = b"".join(self._held)
        self._held = [data[size:]] if data[size:] else []
        if data and not self._frozen and not self.closed and self._transport is not None:
            self._transport.write(data[:size])

    def unbind(self) -> None:
        """Asks the ESME to go; the answer, or its close, ends the connection."""
        self.write(self.session.unbind())
        self._stop_taking()

    def close(self, why: str) -> None:
        """Sends what is written, then closes without unbind."""
        self._leave(why)
        if self._transport is not None:
            self._transport.close()

    def abort(self, why: str) -> None:
        """Drops the connection, with what is not sent yet."""
        self._leave(why)
        if self._transport is not None:
            self._transport.abort()

    def peer(self) -> str:
        """host:port of the ESME."""
        name = self._transport.get_extra_info("peername") if self._transport else None
        return f"{name[0]}:{name[1]}" if name else ""

    def _leave(self, why: str) -> None:
        self._why = self._why or why
        self.closed = True
        self._stop_taking()

    def _stop_taking(self) -> None:
        self.takes = self.submits_allowed = False
        self.first = None

    def _read_or_not(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self.blocked:
            transport.pause_reading()
        else:
            transport.resume_reading()

    def _noted(self, kind: str) -> None:
        if self._account is not None:
            self._account.counters.notes[kind] += 1
        if kind in ("peer_unbind", "unbound"):
            self._stop_taking()
            self._smsc.unbound(self)
            self.close(kind)

    def _faulted(self, fault: ConnectionFault) -> None:
        self._noted(fault.kind)
        self.write(header_only(Command.GENERIC_NACK, 0, CommandStatus.ESME_RINVCMDLEN))
        self.close(fault.kind)
