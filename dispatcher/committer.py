"""Commits of all lanes of one carrier in this process: one request at a time, each with whatever its lanes want by then.

A commit that is refused, or whose result is unknown, ends the take of all of them (DESIGN §5, rules 4 and 5).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from typing import Final

from bus.ports import Commit, CommitNotSent, CommitRefused, CommitUnknown, Member, Take, TopicPartition
from dispatcher.reservations import CommitPlan
from dispatcher.runner import LaneRunner
from runtime.metrics import LEDGER_COMMITS

TIMEOUT_S: Final = 2.0
RETRY_S: Final = 0.1


class Committer:
    """`lanes` gives the lanes of the take; `lost` is told why a take ended, `fail` of a fault of ours that ends all commits."""

    def __init__(
        self, carrier: str, member: Member, lanes: Callable[[], Iterable[LaneRunner]], lost: Callable[[str], None],
        fail: Callable[[BaseException], None],
    ) -> None:  # fmt: skip
        self.take: Take | None = None
        self._member = member
        self._lanes = lanes
        self._lost = lost
        self._fail = fail
        self._wanted = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._counts = {
            kind: LEDGER_COMMITS.labels(carrier, kind) for kind in ("done", "refused", "unknown", "not_sent")
        }

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        # Without commits the lanes would stand still for ever, and say nothing.
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._fail(fault)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def wake(self) -> None:
        """Some lane may want a commit."""
        self._wanted.set()

    async def flush(self) -> None:
        """One commit now, if there is anything to say and a take to say it under."""
        await self._commit()

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if not await self._commit():
                await asyncio.sleep(RETRY_S)
                self._wanted.set()

    async def _commit(self) -> bool:
        """False: nothing could be sent, try again."""
        async with self._one_at_a_time:
            take = self.take
            if take is None:
                return True
            plans = [(lane, plan) for lane in self._lanes() if (plan := lane.lane.commit_plan(time.monotonic()))]
            if not plans:
                return True
            commits: dict[TopicPartition, Commit] = {}
            for _, plan in plans:
                commits.update(plan.commits)
            return await self._send(take, plans, commits)

    async def _send(
        self, take: Take, plans: list[tuple[LaneRunner, CommitPlan]], commits: dict[TopicPartition, Commit]
    ) -> bool:
        started = time.monotonic()
        try:
            await self._member.commit(take, commits, TIMEOUT_S)
        except CommitNotSent:
            self._counts["not_sent"].inc()
            self._take_back(plans)
            return False
        except CommitRefused as fault:
            self._counts["refused"].inc()
            self._take_back(plans)
            self._end(take, fault.kind)
            return True
        except CommitUnknown:
            self._counts["unknown"].inc()
            self._take_back(plans)
            self._end(take, "unknown")
            return True
        except asyncio.CancelledError:
            self._take_back(plans)
            self.take = None
            raise
        took = time.monotonic() - started
        self._counts["done"].inc()
        for lane, plan in plans:
            lane.committed(plan, took)
        return True

    @staticmethod
    def _take_back(plans: list[tuple[LaneRunner, CommitPlan]]) -> None:
        for lane, plan in plans:
            lane.lane.reservations.not_committed(plan)

    def _end(self, take: Take, kind: str) -> None:
        if self.take == take:
            self.take = None
            self._lost(kind)
