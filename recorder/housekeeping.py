"""What has to be done now and then, apart from the projection: gauges, daily partitions, retention, receipts that never
came, and what Kafka need not keep any longer. Every chore may be done by several recorders at once, or not for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from bus.ports import TopicPartition
from bus.retention import delete_before, offsets_at
from bus.topics import GroupOffsets
from runtime.clock import Clock
from runtime.errors import UnavailableError
from runtime.logs import logger
from runtime.metrics import IN_DOUBT, RECEIPTS_UNMATCHED
from schemas.carriers import CarrierBook
from schemas.classes import CLASS_NAMES
from schemas.ids import DAY_MS
from schemas.topics import RETENTION_MS, Topics
from store.projection import Projection
from store.upkeep import Upkeep

log = logger("recorder.housekeeping")
TICK_S: Final = 5.0
TIMEOUTS_S: Final = 60.0
PARTITIONS_S: Final = 600.0
RETENTION_S: Final = 3600.0


@dataclass(slots=True)
class Chore:
    """Something to do every `every_s` seconds, first at once."""

    name: str
    every_s: float
    work: Callable[[], Awaitable[None]]
    due_s: float = 0.0


class Housekeeping:
    """Runs the chores one after the other, with sessions of its own."""

    def __init__(
        self,
        upkeep: Upkeep,
        positions: Projection,
        book: CarrierBook,
        topics: Topics,
        bootstrap: str,
        retention_days: int,
        clock: Clock,
        parked: Callable[[], None],
    ) -> None:
        """`positions`: read only. `parked`: called while receipts wait."""
        self._upkeep = upkeep
        self._positions = positions
        self._book = book
        self._topics = topics
        self._bootstrap = bootstrap
        self._retention_days = retention_days
        self._clock = clock
        self._parked = parked
        self._chores = (
            Chore("partitions", PARTITIONS_S, self.make_partitions),
            Chore("gauges", TICK_S, self.count),
            Chore("timeouts", TIMEOUTS_S, self.time_out),
            Chore("retention", RETENTION_S, self.drop_old),
            Chore("kafka", RETENTION_S, self.trim_kafka),
        )

    async def run(self) -> None:
        """Until canceled."""
        while True:
            for chore in self._chores:
                if self._clock.monotonic() >= chore.due_s:
                    chore.due_s = self._clock.monotonic() + chore.every_s
                    await self._do(chore)
            await asyncio.sleep(TICK_S)

    async def stop(self) -> None:
        await self._upkeep.close()
        await self._positions.close()

    @staticmethod
    async def _do(chore: Chore) -> None:
        try:
            await chore.work()
        except UnavailableError as fault:
            # Of Postgres or Kafka being away the projection tells; the next round does it.
            log.info("chore_put_off", chore=chore.name, fault=str(fault))
        except (OSError, RuntimeError) as fault:
            log.warning("chore_failed", chore=chore.name, fault=str(fault))

    async def count(self) -> None:
        """Sets the gauges of receipts that wait and of messages in doubt."""
        parked, doubts = await self._upkeep.counts()
        for name in {*self._book.carriers, *parked, *doubts}:
            RECEIPTS_UNMATCHED.labels(name).set(parked.get(name, 0))
            IN_DOUBT.labels(name).set(doubts.get(name, 0))
        if parked:
            self._parked()

    async def make_partitions(self) -> None:
        """The partitions of the next days."""
        await self._upkeep.make_partitions(self._clock.wall_ms() // DAY_MS)

    async def time_out(self) -> None:
        """Messages whose receipt, and receipts whose submission, stays out too long."""
        now_ms = self._clock.wall_ms()
        for name, carrier in self._book.carriers.items():
            before_ms = now_ms - carrier.receipt_timeout_s * 1000
            unknown = await self._upkeep.time_out(name, before_ms, now_ms)
            lost = await self._upkeep.give_up_parked(name, before_ms)
            if unknown or lost:
                log.info("receipts_overdue", carrier=name, messages_unknown=unknown, receipts_given_up=lost)

    async def drop_old(self) -> None:
        """What is past retention."""
        dropped = await self._upkeep.drop_before(self._clock.wall_ms() // DAY_MS - self._retention_days)
        if dropped:
            log.info("partitions_dropped", partitions=dropped)

    async def trim_kafka(self) -> None:
        """Deletes from `mt.*` what is settled, projected and older than what Kafka keeps of other topics."""
        for name in self._book.carriers:
            offsets = await self._deletable(name)
            if offsets:
                await delete_before(self._bootstrap, offsets)

    async def _deletable(self, carrier: str) -> dict[TopicPartition, int]:
        topics = [self._topics.mt(carrier, cls) for cls in range(len(CLASS_NAMES))]
        async with GroupOffsets(self._bootstrap) as group:
            commits = await group.committed(self._topics.dispatch_group(carrier))
        settled = {tp: commit.offset for tp, commit in commits.items() if tp.topic in topics}
        if not settled:
            return {}
        projected = await self._positions.positions(topics)
        old = await offsets_at(self._bootstrap, list(settled), self._clock.wall_ms() - RETENTION_MS)
        found = {tp: min(low, projected.get(tp, 0), old[tp]) for tp, low in settled.items()}
        return {tp: offset for tp, offset in found.items() if offset > 0}
