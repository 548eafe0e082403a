"""The scheduler's life: claim, fix, publish, acknowledge, forget; inherit what others left; look for evidence.

Postgres away: nothing is due that anybody could know of, so it waits. Kafka away: what is fixed stays fixed, no more is claimed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from bus.ports import Publisher, Reader, TopicPartition
from runtime.clock import Clock
from runtime.errors import UnavailableError
from runtime.logs import logger
from runtime.metrics import DUE_OLDEST, RELEASED
from scheduler.evidence import Evidence
from scheduler.releasing import Releasing, is_seen
from schemas.topics import Topics
from store.schedule import Fixed, KnownRelease, Schedule

log = logger("scheduler")
TICK_S: Final = 0.2
FORGET_S: Final = 1.0
INHERIT_S: Final = 5.0
EVIDENCE_S: Final = 2.0
MOST_DUE: Final = 5_000
MOST_WAITING_BYTES: Final = 32 * 1024 * 1024
LONGEST_PAUSE_S: Final = 5.0
_LOOK_S: Final = 0.2


class Scheduler:
    """See the module. `partitions`: those that releases are written to."""

    def __init__(
        self,
        schedule: Schedule,
        releasing: Releasing,
        evidence: Evidence,
        publisher: Publisher,
        reader: Reader,
        topics: Topics,
        partitions: Callable[[], Sequence[TopicPartition]],
        clock: Clock,
    ) -> None:
        self._schedule = schedule
        self._releasing = releasing
        self._evidence = evidence
        self._publisher = publisher
        self._reader = reader
        self._topics = topics
        self._partitions = partitions
        self._clock = clock
        self._acknowledged: list[Fixed] = []
        self._heirloom: tuple[dict[TopicPartition, int], list[KnownRelease]] | None = None
        self._started = False
        self._next = {"forget": 0.0, "inherit": 0.0, "evidence": 0.0}
        self.fault: str | None = "it has not begun yet"

    async def run(self) -> None:
        """Until canceled."""
        pause_s = TICK_S
        while True:
            try:
                await self._turn()
                self.fault, pause_s = None, TICK_S
            except UnavailableError as fault:
                if self.fault is None:
                    log.warning("scheduler_waits", fault=str(fault))
                self.fault = str(fault)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            except (OSError, RuntimeError) as fault:
                self.fault = f"Kafka can't be asked ({fault})"
                log.warning("scheduler_waits", fault=self.fault)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            await asyncio.sleep(pause_s)

    async def _turn(self) -> None:
        if await self._schedule.connect():
            # What is ours now was another session's, perhaps our own that is lost.
            self._heirloom = None
            self._next["inherit"] = 0.0
        if not self._started:
            # A projection that was made anew may list as due what it has not seen leave yet.
            await self._until_projected(await self._ends())
            self._started = True
        await self._flush_acknowledged()
        while await self._release_due() == MOST_DUE:
            await self._flush_acknowledged()
        now = self._clock.monotonic()
        for name, every_s, work in (
            ("forget", FORGET_S, self._forget),
            ("inherit", INHERIT_S, self._inherit),
            ("evidence", EVIDENCE_S, self._look_for_evidence),
        ):
            if now >= self._next[name]:
                self._next[name] = now + every_s
                await work()

    # ---- what is due

    async def _release_due(self) -> int:
        """How many were claimed."""
        if self._publisher.backlog_bytes > MOST_WAITING_BYTES:
            return 0
        now_ms = self._clock.wall_ms()
        async with self._schedule.claiming(now_ms, MOST_DUE) as claim:
            self._releasing.decide(claim, now_ms)
        self._publish(claim.fixed)
        return len(claim.due)

    def _publish(self, fixed: Sequence[Fixed]) -> None:
        """By partition, in one call each."""
        queues: dict[TopicPartition, list[Fixed]] = {}
        for one in fixed:
            queues.setdefault(TopicPartition(one.topic, one.part), []).append(one)
        for tp, some in queues.items():
            RELEASED.labels("stopped" if tp.topic == self._topics.intake else "queued").inc(len(some))
            self._publisher.publish(
                tp.topic,
                tp.partition,
                [(one.key, one.value) for one in some],
                partial(self._published, some),
                lasting=True,
            )

    def _published(self, some: list[Fixed], fault: Exception | None) -> None:
        if fault is None:
            self._acknowledged += some

    async def _flush_acknowledged(self) -> None:
        while self._acknowledged:
            some, self._acknowledged = self._acknowledged, []
            try:
                await self._schedule.acknowledge(some)
            except UnavailableError:
                self._acknowledged = some + self._acknowledged
                raise

    # ---- what is over

    async def _forget(self) -> None:
        """Releases that the projection knows of; and the gauge of what waits."""
        known = await self._schedule.releases(acked=True)
        seen = [one.fixed.id for one in known if is_seen(one.fixed, one.entries)]
        if seen:
            await self._schedule.forget(seen)
        oldest_ms, _ = await self._schedule.oldest_due(self._clock.wall_ms())
        DUE_OLDEST.set(max(0.0, (self._clock.wall_ms() - oldest_ms) / 1000) if oldest_ms else 0.0)

    # ---- what others left

    async def _inherit(self) -> None:
        """Of a session that is gone: what it may not have published is published again, once the recorder has passed all that
        stood in Kafka and has not seen it."""
        if self._heirloom is None:
            if await self._schedule.inherit():
                left = await self._schedule.releases(acked=False)
                log.info("releases_inherited", unacknowledged=len(left))
                self._heirloom = (await self._ends(), left)
            return
        ends, left = self._heirloom
        if not await self._projected(ends):
            return
        self._heirloom = None
        mine = {one.fixed.id for one in left}
        again = [one for one in await self._schedule.releases(acked=False) if one.fixed.id in mine]
        seen = [one.fixed for one in again if is_seen(one.fixed, one.entries)]
        if seen:
            await self._schedule.acknowledge(seen)
        self._publish([one.fixed for one in again if not is_seen(one.fixed, one.entries)])

    async def _ends(self) -> dict[TopicPartition, int]:
        await self._reader.start({})
        try:
            return dict(await self._reader.ends(self._partitions()))
        finally:
            await self._reader.stop()

    async def _projected(self, ends: dict[TopicPartition, int]) -> bool:
        positions = await self._schedule.positions(sorted({tp.topic for tp in ends}))
        return all(positions.get((tp.topic, tp.partition), 0) >= end for tp, end in ends.items())

    async def _until_projected(self, ends: dict[TopicPartition, int]) -> None:
        self.fault = "the recorder has not come to where Kafka ended at the start"
        while not await self._projected(ends):
            await asyncio.sleep(_LOOK_S)

    # ---- evidence

    async def _look_for_evidence(self) -> None:
        await self._evidence.look(self._schedule, self._clock.wall_ms())

    def check(self) -> str | None:
        """For readiness."""
        return self.fault

    async def stop(self) -> None:
        """After `run` was canceled."""
        await self._flush_quietly()
        await self._schedule.close()

    async def _flush_quietly(self) -> None:
        try:
            await self._flush_acknowledged()
        except UnavailableError as fault:
            log.info("acknowledgements_left", fault=str(fault))
