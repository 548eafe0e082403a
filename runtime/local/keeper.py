"""Keeps one child alive: starts it, watches it, starts it again. The supervisor has one of these for each child."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable

from runtime.errors import UnavailableError
from runtime.local.backoff import Backoff
from runtime.local.process import Child, Process, describe_exit

# What ends a process: from the moment one is sent it does not count as ready any more.
ENDING = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})


class Keeper:
    """One child and its restarts. `say` gets a sentence for each thing that a person would want to know."""

    def __init__(self, child: Child, backoff: Backoff, say: Callable[[str], None]) -> None:
        self.child = child
        self.restarts = 0
        self._backoff = backoff
        self._say = say
        self._process: Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._may_restart = asyncio.Event()
        self._may_restart.set()

    @property
    def process(self) -> Process | None:
        """The process, while it runs."""
        return self._process if self._process is not None and self._process.exit_code is None else None

    @property
    def is_ready(self) -> bool:
        return self._ready.is_set() and self.process is not None

    async def start(self) -> None:
        """The first start. Raises UnavailableError, and does not try again, when the child can't be brought up."""
        self._process = Process(self.child)
        await self._process.wait_ready()
        self._ready.set()
        self._task = asyncio.create_task(self._keep(self._process), name=f"keeper-{self.child.name}")

    async def wait_ready(self) -> None:
        """Waits until the child is up (again), however often it has to be started."""
        await self._ready.wait()
        while not self.is_ready:
            # Dead, and the keeper is about to be told: then ready is taken back.
            await asyncio.sleep(0)
            await self._ready.wait()

    def send(self, number: signal.Signals) -> None:
        """Sends a signal; nothing happens while the child is down."""
        if number in ENDING:
            self._ready.clear()
        if self.process is not None:
            self.process.send(number)

    def pause(self) -> None:
        """Once it has ended, the child stays down until `resume`."""
        self._may_restart.clear()

    def resume(self) -> None:
        """Ends `pause`; a child that is down is started at once."""
        self._may_restart.set()

    async def stop(self) -> bool:
        """No restarts any more; ends the child. True when it ended within its budget."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._ready.clear()
        return await self._process.stop() if self._process is not None else True

    async def _keep(self, process: Process) -> None:
        failures = 0
        while True:
            code = await process.exited()
            self._ready.clear()
            failures = self._backoff.failures(failures, process.lived_s)
            self._say(f"{self.child.name} (pid {process.pid}) has ended: {describe_exit(code)}")
            process, failures = await self._start_again(failures)
            self._ready.set()
            self._say(f"{self.child.name} is back as pid {process.pid} after {process.lived_s:.1f} s")

    async def _start_again(self, failures: int) -> tuple[Process, int]:
        """Tries until it is up; gives the process and the failures in a row so far."""
        while True:
            await self._wait(failures)
            self.restarts += 1
            try:
                process = self._process = Process(self.child)
                await process.wait_ready()
            except (UnavailableError, OSError) as fault:
                failures += 1
                self._say(str(fault))
            else:
                return process, failures

    async def _wait(self, failures: int) -> None:
        if not self._may_restart.is_set():
            self._say(f"{self.child.name} stays down until it is resumed")
            await self._may_restart.wait()
            return
        delay_s = self._backoff.delay_s(failures, random.random())
        if delay_s >= 1:
            self._say(f"{self.child.name} is started again in {delay_s:.1f} s")
        await asyncio.sleep(delay_s)
