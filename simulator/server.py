"""The sockets around an Smsc: the SMPP port, one timer for everything that is due, and the order of start and stop."""

from __future__ import annotations

import asyncio
import gc
import math
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from runtime.clock import Clock, SystemClock
from runtime.errors import ConfigError, UnavailableError
from runtime.health import Health, config_socket
from runtime.lifecycle import Lifecycle, Part
from runtime.logs import logger
from simulator.connection import Connection
from simulator.control import ControlServer, build_control
from simulator.housekeeping import Housekeeping
from simulator.scenario import Scenario
from simulator.smsc import Smsc
from simulator.wheel import Agenda

log = logger("simulator")
_REOPEN_S: Final = 0.5
_COLLECT_S: Final = 30.0
_CLOSING_S: Final = 0.02
_CLOSING_ROUNDS: Final = 25


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says. Port 0 picks a free one."""

    host: str
    port: int
    http_port: int
    seed: int
    scenario: Scenario
    accounts: dict[str, dict[str, object]]
    journal: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None


class Pulse:
    """The one timer of the process: armed for what is due first."""

    def __init__(self, agenda: Agenda, clock: Clock) -> None:
        self._agenda = agenda
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self._due = math.inf
        agenda.arm = self._arm
        self._rearm()

    def stop(self) -> None:
        self._agenda.arm = lambda _due: None
        if self._handle is not None:
            self._handle.cancel()

    def _arm(self, due: float) -> None:
        if due >= self._due:
            return
        if self._handle is not None:
            self._handle.cancel()
        self._due = due
        # The loop's timers count whole milliseconds: rounded down, a timer would fire early and spin until it is time.
        delay = math.ceil(max(0.0, due - self._clock.monotonic()) * 1000) / 1000
        self._handle = self._loop.call_later(delay, self._fire)

    def _fire(self) -> None:
        self._handle = None
        # What is pushed while we drain must not arm: the end of the round does, once.
        self._due = -math.inf
        try:
            self._agenda.advance(self._clock.monotonic())
        finally:
            self._rearm()

    def _rearm(self) -> None:
        self._due = math.inf
        due = self._agenda.next_due()
        if due is not None:
            self._arm(due)


class SmppPort:
    """Listens for ESMEs. `shut` and `open` are for outages: the address is the same afterwards."""

    def __init__(self, smsc: Smsc, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self._smsc = smsc
        self._host = host
        self.port = port
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._opening: asyncio.Task[None] | None = None
        self._wanted = False

    async def start(self) -> None:
        """Raises UnavailableError when the port is taken."""
        self._wanted = True
        try:
            await self._listen()
        except OSError as fault:
            raise UnavailableError(
                f"can't listen on {self._host}:{self.port} for SMPP ({fault.strerror})",
                "stop what uses the port, or choose another with --port (0 picks a free one)",
            ) from None
        self._smsc.doors = self

    async def stop(self) -> None:
        """Closes the port and every connection; who does not read what is left for it is dropped."""
        self.shut()
        if self._opening is not None:
            self._opening.cancel()
        for connection in list(self._smsc.connections):
            connection.close("the simulator stops")
        for _ in range(_CLOSING_ROUNDS):
            if not self._smsc.connections:
                return
            await asyncio.sleep(_CLOSING_S)
        for connection in list(self._smsc.connections):
            connection.abort("the simulator stops")
        await asyncio.sleep(_CLOSING_S)

    def shut(self) -> None:
        self._wanted = False
        if self._server is not None:
            self._server.close()
            self._server = None

    def open(self) -> None:
        self._wanted = True
        if self._server is None and (self._opening is None or self._opening.done()):
            self._opening = asyncio.get_running_loop().create_task(self._open_again())

    def fault(self) -> str | None:
        return None if self._server is not None else "the SMPP port is shut"

    async def _listen(self) -> None:
        sock = config_socket(self._host, self.port)
        self.port = sock.getsockname()[1]
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self._smsc), sock=sock, ssl=self._tls)

    async def _open_again(self) -> None:
        while self._wanted and self._server is None:
            try:
                await self._listen()
            except OSError as fault:
                log.warning("smpp_port_taken", port=self.port, error=fault.strerror)
                await asyncio.sleep(_REOPEN_S)


class Simulator:
    """A running simulator: the parts in the order in which they start."""

    def __init__(self, options: Options) -> None:
        self.lifecycle = Lifecycle()
        clock = SystemClock()
        self.smsc = Smsc(options.scenario, options.seed, clock, options.journal, self.lifecycle.fail)
        self.smpp = SmppPort(self.smsc, options.host, options.port, _tls(options.tls_cert, options.tls_key))
        health = Health()
        health.add("smpp", self.smpp.fault)
        control = build_control(self.smsc, options.accounts)
        self.http = ControlServer(control, health, options.host, options.http_port)
        self._clock = clock
        self._pulse: Pulse | None = None
        self._housekeeping = Housekeeping(self.smsc)
        self._seen = 0
        self._collecting: asyncio.TimerHandle | None = None
        self.lifecycle.add(Part("timer", self._start_timer, self._stop_timer))
        self.lifecycle.add(Part("control", self.http.start, self.http.stop))
        self.lifecycle.add(Part("smpp", self.smpp.start, self.smpp.stop))

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Until SIGTERM or SIGINT. Raises OperatorError when a port is taken or the journal can't be written."""
        await self.lifecycle.run(on_ready)

    async def _start_timer(self) -> None:
        self._pulse = Pulse(self.smsc.agenda, self._clock)
        self._housekeeping.start()
        # Pending receipts are many and hold no cycles: a collector that walks them halts everybody's benchmark.
        gc.collect()
        gc.freeze()
        gc.disable()
        self._collect_when_idle()

    async def _stop_timer(self) -> None:
        self._housekeeping.stop()
        if self._collecting is not None:
            self._collecting.cancel()
        gc.enable()
        if self._pulse is not None:
            self._pulse.stop()
        self.smsc.close()

    def _collect_when_idle(self) -> None:
        submits = sum(account.counters.submits for account in self.smsc.accounts.values())
        if submits == self._seen:
            gc.collect()
        self._seen = submits
        self._collecting = asyncio.get_running_loop().call_later(_COLLECT_S, self._collect_when_idle)


def _tls(cert: str | None, key: str | None) -> ssl.SSLContext | None:
    if cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as fault:
        raise ConfigError(f"can't use the certificate {cert}", fault.strerror or str(fault)) from None
    return context
