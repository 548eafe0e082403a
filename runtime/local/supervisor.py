"""Runs child processes: starts them in order, keeps them alive, stops them in reverse.

    async with Supervisor(say) as supervisor:
        await supervisor.start(kafka, postgres)      # together; each ready before the next line
        await supervisor.start(*roles)
        await supervisor.forever()                   # until Ctrl-C, SIGTERM or SIGHUP

A signal cancels the body wherever it waits, and leaving the body, in whatever way, stops all children. A second signal
kills them. When the supervisor itself is killed the kernel ends them (runtime/local/process.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from runtime.local.backoff import Backoff
from runtime.local.keeper import Keeper
from runtime.local.process import Child

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class ChildState:
    """What a screen shows of a child. `pid` is None while it is down."""

    name: str
    pid: int | None
    ready: bool
    restarts: int


class Supervisor:
    """To be used as an async context manager, in the main thread (which is where signals and death signals work)."""

    def __init__(self, say: Callable[[str], None] = print, backoff: Backoff | None = None) -> None:
        self._say = say
        self._backoff = backoff or Backoff()
        self._groups: list[list[Keeper]] = []
        self._body: asyncio.Task[object] | None = None
        self._leaving = False
        self.signalled: signal.Signals | None = None

    async def __aenter__(self) -> Self:
        self._body = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            # Under nohup, SIGHUP is meant to be ignored.
            if signal.getsignal(number) is not signal.SIG_IGN or number is not signal.SIGHUP:
                loop.add_signal_handler(number, self._on_signal, number)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Stops everything. A cancellation that came from a signal ends here: the caller looks at `signalled`."""
        self._leaving = True
        cancelled_by_us = await self._take_back_cancellation()
        try:
            await self.stop()
        finally:
            loop = asyncio.get_running_loop()
            for number in SIGNALS:
                loop.remove_signal_handler(number)
        return cancelled_by_us and kind is asyncio.CancelledError

    async def _take_back_cancellation(self) -> bool:
        if self.signalled is None or self._body is None:
            return False
        by_us_alone = self._body.uncancel() == 0
        # A body that ended just as the signal came has not been told yet; the stop must not be what is cancelled.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        return by_us_alone

    def _on_signal(self, number: signal.Signals) -> None:
        if self.signalled is None:
            self.signalled = signal.Signals(number)
            self._say("stopping (again: kill)")
            if not self._leaving and self._body is not None:
                self._body.cancel()
            return
        for keeper in self._keepers():
            keeper.send(signal.SIGKILL)

    async def start(self, *children: Child) -> None:
        """Starts the children together and waits until all are ready; they will be stopped together too.

        Raises UnavailableError when one can't be brought up, with the last lines of its log; ValueError for a name
        that is there already.
        """
        names = [child.name for child in children]
        if len({*names, *(keeper.child.name for keeper in self._keepers())}) < len(names) + len(self._keepers()):
            raise ValueError(f"a name twice among the children: {', '.join(names)}")
        group = [Keeper(child, self._backoff, self._say) for child in children]
        self._groups.append(group)
        async with asyncio.TaskGroup() as together:
            starts = [together.create_task(self._first(keeper)) for keeper in group]
        for fault in filter(None, (start.result() for start in starts)):
            raise fault

    @staticmethod
    async def _first(keeper: Keeper) -> Exception | None:
        # Given, not raised: a TaskGroup would wrap it, and hide it from whoever catches OperatorError.
        try:
            await keeper.start()
        except Exception as fault:
            return fault
        return None

    async def forever(self) -> None:
        """Waits until a signal comes."""
        await asyncio.get_running_loop().create_future()

    async def stop(self) -> None:
        """Stops the groups in reverse order of their start; says which child used up its budget."""
        while self._groups:
            # Still listed while it stops: a second signal has to find it.
            group = self._groups[-1]
            in_time = await asyncio.gather(*(keeper.stop() for keeper in group))
            self._groups.pop()
            for keeper in (keeper for keeper, well in zip(group, in_time, strict=True) if not well):
                self._say(f"{keeper.child.name} did not stop within {keeper.child.stop_budget_s:g} s: killed")

    def states(self) -> list[ChildState]:
        """All children in the order of their start."""
        return [
            ChildState(k.child.name, k.process.pid if k.process else None, k.is_ready, k.restarts)
            for k in self._keepers()
        ]

    def pid(self, name: str) -> int | None:
        """None while it is down. Raises KeyError for an unknown name, as all below."""
        process = self._keeper(name).process
        return process.pid if process is not None else None

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Sends a signal to the child, which is started again when it ends."""
        self._keeper(name).send(number)

    def pause_restart(self, name: str) -> None:
        """When the child ends it stays down, until `resume_restart`."""
        self._keeper(name).pause()

    def resume_restart(self, name: str) -> None:
        """Ends `pause_restart`; a child that is down is started at once."""
        self._keeper(name).resume()

    async def wait_ready(self, name: str) -> None:
        """Waits until the child is up, after a kill for example. Unbounded: the caller has the budget."""
        await self._keeper(name).wait_ready()

    def _keepers(self) -> list[Keeper]:
        return [keeper for group in self._groups for keeper in group]

    def _keeper(self, name: str) -> Keeper:
        for keeper in self._keepers():
            if keeper.child.name == name:
                return keeper
        raise KeyError(f"no child {name}; there are {', '.join(keeper.child.name for keeper in self._keepers())}")
