"""Start in order, stop in reverse, a time budget for each part, and say what is still pending."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from runtime.logs import logger

log = logger("lifecycle")


@dataclass(frozen=True, slots=True)
class Part:
    """One thing with a beginning and an end. `pending` tells what a slow stop is waiting for."""

    name: str
    start: Callable[[], Awaitable[None]]
    stop: Callable[[], Awaitable[None]]
    stop_budget_s: float = 5.0
    pending: Callable[[], str] | None = None


class Lifecycle:
    """Runs parts until told to stop or until one of them fails."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._running: list[Part] = []
        self._stop = asyncio.Event()
        self._failure: BaseException | None = None

    def add(self, part: Part) -> None:
        self._parts.append(part)

    def request_stop(self) -> None:
        """Ends `run` in order. May be called more than once and from a signal handler."""
        self._stop.set()

    def fail(self, fault: BaseException) -> None:
        """Ends `run`, which then raises `fault`: for background work that can't go on."""
        if self._failure is None:
            self._failure = fault
        self._stop.set()

    def supervise(self, task: asyncio.Task[None]) -> None:
        """A task whose failure, or end before the stop was asked for, ends the process."""

        def ended(done: asyncio.Task[None]) -> None:
            if done.cancelled():
                return
            fault = done.exception()
            if fault is None and not self._stop.is_set():
                fault = RuntimeError(f"{done.get_name()} ended, which only a stop may bring about")
            if fault is not None:
                self.fail(fault)

        task.add_done_callback(ended)

    async def run(self, on_ready: Callable[[], None] | None = None) -> None:
        """Starts all parts, waits, stops them in reverse. Raises what made a part fail."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.request_stop)
        try:
            for part in self._parts:
                if self._stop.is_set():
                    break
                self._running.append(part)
                await self._start(part)
            if on_ready and not self._stop.is_set():
                on_ready()
            await self._stop.wait()
        finally:
            await self._stop_all()
        if self._failure is not None:
            raise self._failure

    async def _start(self, part: Part) -> None:
        """Starts a part; told to stop meanwhile, gives the start up: it may be waiting for a server that is not there."""
        starting, told = asyncio.ensure_future(part.start()), asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait((starting, told), return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
            starting.cancel()
        await asyncio.wait((starting,), timeout=part.stop_budget_s)
        if starting.done() and not starting.cancelled():
            starting.result()

    async def _stop_all(self) -> None:
        while self._running:
            part = self._running.pop()
            try:
                async with asyncio.timeout(part.stop_budget_s):
                    await part.stop()
            except TimeoutError:
                log.warning("stop_budget_used_up", part=part.name, pending=part.pending() if part.pending else "")
            except Exception:
                log.exception("stop_failed", part=part.name)
