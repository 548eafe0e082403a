"""Keeps a lane bound: connects, binds, and after a loss again, with full jitter and with respect for why it was lost.

A transceiver is one connection; transmitter and receiver are two that come and go together.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
import time
from typing import Final, Protocol

from dispatcher.slots import Token
from runtime.logs import logger
from runtime.metrics import BIND_FAILURES, BIND_UP, PROTOCOL_ERRORS
from schemas.carriers import Carrier
from smpp.client import EsmeConnection, connect
from smpp.core.constants import Command, CommandStatus, status_name
from smpp.core.errors import ConnectionFault
from smpp.core.esme import BindParams, Received

log = logger("dispatcher.bind")

FIRST_DELAY_S: Final = 0.5
LONGEST_DELAY_S: Final = 15.0
ALREADY_BOUND_S: Final = 5.0
"""After ESME_RALYBND the old bind must time out at the SMSC first: not sooner than this."""
REFUSED_S: Final = 60.0
"""Wrong credentials don't mend themselves, and some carriers lock an account that keeps trying."""
STABLE_S: Final = 10.0
_CREDENTIALS: Final = frozenset(
    (CommandStatus.ESME_RINVPASWD, CommandStatus.ESME_RINVSYSID, CommandStatus.ESME_RINVSYSTYP)
)


class BindListener(Protocol):
    """The lane's shell."""

    def bound(self) -> None: ...

    def unbound(self, tokens: list[Token], reason: str) -> None:
        """`tokens`: submits that were out on the connection."""
        ...

    def received(self, connection: EsmeConnection[Token], got: Received[Token]) -> None: ...


class BindState:
    """What an operator wants to know of a bind."""

    __slots__ = ("attempts", "detail", "since", "word")

    def __init__(self) -> None:
        self.word = "down"
        self.detail = "not started"
        self.since = time.monotonic()
        self.attempts = 0

    def set(self, word: str, detail: str = "") -> None:
        if word != self.word:
            self.since = time.monotonic()
        self.word, self.detail = word, detail


def delay_before(attempt: int, last_status: int, rng: random.Random) -> float:
    """Seconds to wait before a bind attempt (0 for the first), by how the last one ended. Full jitter."""
    if last_status in _CREDENTIALS:
        return REFUSED_S + rng.uniform(0, REFUSED_S)
    if attempt == 0:
        return 0.0
    most = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** min(attempt - 1, 10))
    if last_status in (CommandStatus.ESME_RALYBND, CommandStatus.ESME_RBINDFAIL):
        return ALREADY_BOUND_S / 2 + rng.uniform(0, max(most, ALREADY_BOUND_S))
    return rng.uniform(0, most)


class Binder:
    """Runs until stopped. `state` tells where it is; `connection` is the one to submit on while bound."""

    def __init__(self, carrier: Carrier, lane: int, listener: BindListener) -> None:
        self.state = BindState()
        self.connection: EsmeConnection[Token] | None = None
        self._carrier = carrier
        self._lane = lane
        self._listener = listener
        self._open: list[EsmeConnection[Token]] = []
        self._bound: set[EsmeConnection[Token]] = set()
        self._ended = asyncio.Event()
        self._last_status = 0
        self._last_fault = ConnectionFault("closed", "")
        self._task: asyncio.Task[None] | None = None
        self._rng = random.Random()
        self._up = BIND_UP.labels(carrier.name, str(lane))
        self._up.set(0)

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._keep_bound())

    async def stop(self, budget_s: float = 2.0) -> None:
        """Unbinds, waits for the answer, closes."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        for connection in self._open:
            connection.unbind()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(budget_s):
                while self._open:
                    self._ended.clear()
                    await self._ended.wait()
        for connection in list(self._open):
            connection.close("unbound", "the SMSC did not answer the unbind")

    async def rebind(self, carrier: Carrier) -> None:
        """Unbinds and binds again as the carrier is now configured."""
        await self.stop()
        self._carrier = carrier
        self.state.attempts = 0
        self._last_status = 0
        self.start()

    def drop(self, reason: str) -> None:
        """Closes the connections at once, without unbind; the binder goes on and binds again."""
        for connection in list(self._open):
            connection.close("dropped", reason)

    # ---- the loop

    async def _keep_bound(self) -> None:
        tls = await asyncio.to_thread(_tls, self._carrier)
        while True:
            delay = delay_before(self.state.attempts, self._last_status, self._rng)
            if delay:
                await asyncio.sleep(delay)
            self.state.attempts += 1
            self._last_status = 0
            self._ended.clear()
            started = time.monotonic()
            try:
                await self._connect(tls)
                await self._ended.wait()
            except ConnectionFault as fault:
                self._failed(fault)
            else:
                self._failed(self._last_fault)
            if time.monotonic() - started > STABLE_S:
                self.state.attempts = 0
            await self._all_closed()

    async def _connect(self, tls: ssl.SSLContext | None) -> None:
        carrier = self._carrier
        self.state.set("binding", f"to {carrier.host}:{carrier.port}")
        for command in _commands(carrier):
            params = BindParams(
                carrier.system_id, carrier.password, carrier.system_type, command,
                carrier.enquire_link_s, carrier.bind_timeout_s, carrier.submit_timeout_s,
            )  # fmt: skip
            await connect(
                carrier.host, carrier.port, params, self, timeout_s=carrier.bind_timeout_s, tls=tls,
                server_name=carrier.tls.server_name,
            )  # fmt: skip

    async def _all_closed(self) -> None:
        for connection in list(self._open):
            connection.close("sibling_lost", "the other half of the bind is gone")
        while self._open:
            self._ended.clear()
            await self._ended.wait()

    def _failed(self, fault: ConnectionFault) -> None:
        detail = f"{fault.kind}: {fault.detail}"
        self.state.set("down", detail)
        BIND_FAILURES.labels(self._carrier.name, fault.kind).inc()
        if fault.kind != "unbound":
            log.warning("bind_down", carrier=self._carrier.name, lane=self._lane, kind=fault.kind, detail=fault.detail)

    # ---- smpp.client.Listener

    def made(self, connection: EsmeConnection[Token]) -> None:
        self._open.append(connection)

    def received(self, connection: EsmeConnection[Token], got: Received[Token]) -> None:
        for note in got.notes:
            if note.kind == "bound":
                self._bound_one(connection)
            elif note.kind == "bind_refused":
                self._last_status = note.status
                connection.close("bind_refused", f"the SMSC refused the bind with {status_name(note.status)}")
            elif note.kind == "peer_unbind":
                self._peer_unbound(connection)
            else:
                PROTOCOL_ERRORS.labels(self._carrier.name, note.kind).inc()
        self._listener.received(connection, got)

    def _bound_one(self, connection: EsmeConnection[Token]) -> None:
        self._bound.add(connection)
        if len(self._bound) < len(_commands(self._carrier)):
            return
        self.connection = self._open[0]
        self.state.set("bound")
        self._up.set(1)
        log.info("bound", carrier=self._carrier.name, lane=self._lane)
        self._listener.bound()

    def _peer_unbound(self, connection: EsmeConnection[Token]) -> None:
        # What is out may still be answered; when nothing is, or the SMSC closes, the connection ends.
        if not connection.session.outstanding:
            connection.close("peer_unbind", "the SMSC asked to unbind")

    def lost(self, connection: EsmeConnection[Token], fault: ConnectionFault) -> None:
        tokens = connection.session.abandon()
        self._bound.discard(connection)
        self._open.remove(connection)
        self._last_fault = fault
        if self.connection is not None:
            self.connection = None
            self._up.set(0)
            self._listener.unbound(tokens, fault.kind)
        elif tokens:
            self._listener.unbound(tokens, fault.kind)
        self._ended.set()


def _commands(carrier: Carrier) -> tuple[Command, ...]:
    """The transmitter first: it is the one to submit on."""
    if carrier.bind_mode == "transceiver":
        return (Command.BIND_TRANSCEIVER,)
    return (Command.BIND_TRANSMITTER, Command.BIND_RECEIVER)


def _tls(carrier: Carrier) -> ssl.SSLContext | None:
    if not carrier.tls.enabled:
        return None
    context = ssl.create_default_context(cafile=carrier.tls.ca_file or None)
    if carrier.tls.cert_file:
        context.load_cert_chain(carrier.tls.cert_file, carrier.tls.key_file or None)
    return context
