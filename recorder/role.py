"""The recorder's life: a share of the partitions from the group, positions from Postgres, batches in, batches out.

The group only shares the load: a recorder that lost its share without knowing is stopped by the positions (Moved), which
move in the transaction of the rows. While Postgres is away nothing is read beyond the batches at hand, so memory is bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from bus.ports import GroupListener, Member, Reader, ReadError, Take, TopicPartition
from recorder.batches import Batch, Decoder, oldest_ms
from recorder.feed import Feed, Gathering
from recorder.projector import Projector
from recorder.sources import Sources
from runtime.clock import Clock
from runtime.errors import UnavailableError
from runtime.logs import logger
from runtime.metrics import PROJECTION_LAG
from store.projection import Projection
from store.transaction import Moved, Span

log = logger("recorder")
T = TypeVar("T")
IDLE_S: Final = 1.0
"""How often waiting receipts are looked for again."""
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0
REVOKE_BUDGET_S: Final = 3.0
"""How long a rebalance waits for the transaction under way. Beyond it the positions decide who was first."""


class ShareLost(Exception):
    """The group has given the partitions to others."""


@dataclass(frozen=True, slots=True)
class Share:
    """What the group gave us. `over`: it took it back; `done`: nothing of it is under way."""

    partitions: Sequence[TopicPartition]
    over: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Recorder:
    """Listens to its membership (bus.ports.GroupListener) and projects what it is given."""

    def __init__(
        self,
        sources: Sources,
        projection: Projection,
        projector: Projector,
        decoder: Decoder,
        make_reader: Callable[[], Reader],
        make_member: Callable[[GroupListener], Member],
        gathering: Gathering,
        clock: Clock,
    ) -> None:
        self._sources = sources
        self._projection = projection
        self._projector = projector
        self._decoder = decoder
        self._make_reader = make_reader
        self._member = make_member(self)
        self._gathering = gathering
        self._clock = clock
        self._share: Share | None = None
        self._given = asyncio.Event()
        self._feed: Feed | None = None
        self._batch: Batch | None = None
        self._postgres_fault = ""
        self._kafka_fault = "the group has not given out the partitions yet"
        self._joined = False

    async def run(self) -> None:
        """Until canceled. Raises what can't be waited out."""
        await self._join()
        while True:
            await self._given.wait()
            self._given.clear()
            share = self._share
            if share is None:
                continue
            try:
                await self._serve(share)
            finally:
                share.done.set()

    async def stop(self) -> None:
        """After `run` was canceled. A static member's share stays its own until the session timeout: no `leave`."""
        if self._joined:
            await self._member.stop(leave=False)
        await self._projection.close()

    async def _join(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._joined:
            try:
                await self._member.start()
                self._joined = True
            except (OSError, RuntimeError) as fault:
                self._kafka_fault = f"Kafka is not reachable ({fault})"
                log.warning("not_joined_yet", fault=self._kafka_fault)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def revoked(self) -> None:
        """Of GroupListener: ends what is under way, or leaves it to the positions."""
        share = self._share
        if share is not None:
            share.over.set()
            if self._feed is not None:
                self._feed.interrupt()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REVOKE_BUDGET_S):
                    await share.done.wait()

    def assigned(self, take: Take, units: Sequence[int], units_in_force: int) -> None:
        """Of GroupListener: the partitions of these units are ours now."""
        partitions = self._sources.partitions(units, units_in_force)
        log.info("partitions_given", units=list(units), partitions=len(partitions), generation=take.generation)
        self._kafka_fault = ""
        if self._share is not None:
            self._share.over.set()
        self._share = Share(partitions)
        if not partitions:
            self._share.done.set()
        else:
            self._given.set()

    async def _serve(self, share: Share) -> None:
        while not share.over.is_set():
            try:
                await self._serve_from_positions(share)
            except Moved as fault:
                # Ours are older than what another recorder has done: go on from there.
                log.warning("positions_moved", fault=str(fault))
                await self._rest(share, FIRST_PAUSE_S)
            except ShareLost:
                return
            except ReadError as fault:
                await self._skip_what_is_gone(share, fault)
            except (OSError, RuntimeError) as fault:
                self._kafka_fault = f"Kafka can't be read ({fault})"
                log.warning("kafka_not_read", fault=str(fault))
                await self._rest(share, 1.0)

    async def _serve_from_positions(self, share: Share) -> None:
        reader = self._make_reader()
        positions = await self._patiently(share, lambda: load_positions(self._projection, reader, share.partitions))
        feed = self._feed = Feed(reader, self._decoder, positions, self._gathering, self._clock)
        try:
            await feed.start()
            self._kafka_fault = ""
            await self._project_all(share, feed)
        finally:
            self._feed, self._batch = None, None
            await feed.stop()

    async def _project_all(self, share: Share, feed: Feed) -> None:
        retry_at = 0.0
        while not share.over.is_set():
            batch = self._batch = await feed.next(IDLE_S)
            self.tell_lag()
            if batch is not None:
                await self._patiently(share, partial(self._projector.project, batch))
                self._batch = None
                self.tell_lag()
            if self._clock.monotonic() >= retry_at:
                await self._patiently(share, self._projector.retry_parked)
                retry_at = self._clock.monotonic() + IDLE_S

    async def _patiently(self, share: Share, work: Callable[[], Awaitable[T]]) -> T:
        """Tries until Postgres is there, for as long as the share is ours. Raises ShareLost, and what `work` raises."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                done = await work()
                self._postgres_fault = ""
                return done
            except UnavailableError as fault:
                if not self._postgres_fault:
                    log.warning("postgres_away", fault=str(fault))
                self._postgres_fault = str(fault)
            self.tell_lag()
            await self._rest(share, pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    @staticmethod
    async def _rest(share: Share, pause_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await share.over.wait()
                raise ShareLost

    async def _skip_what_is_gone(self, share: Share, fault: ReadError) -> None:
        """Records were dropped by age before we came to read them: an outage longer than we promise to survive."""
        log.error("records_lost_to_retention", fault=str(fault))
        reader = self._make_reader()
        try:
            skipped = await self._patiently(share, lambda: skip_gaps(self._projection, reader, share.partitions))
        except (Moved, ShareLost):
            return
        finally:
            await reader.stop()
        log.error("positions_moved_past_the_gap", spans=[tuple(span) for span in skipped])

    def tell_lag(self) -> None:
        """Sets the gauge: how old the oldest record at hand is."""
        oldest = oldest_ms(self._batch.records) if self._batch is not None else 0
        PROJECTION_LAG.set(max(0.0, (self._clock.wall_ms() - oldest) / 1000) if oldest else 0.0)

    def postgres_check(self) -> str | None:
        """For readiness."""
        return self._postgres_fault or None

    def kafka_check(self) -> str | None:
        """For readiness."""
        return self._kafka_fault or None

    def release_check(self) -> str | None:
        """For readiness: partitions that stop before a record of a newer release."""
        stopped = self._feed.stopped if self._feed is not None else {}
        if not stopped:
            return None
        tp, reason = next(iter(stopped.items()))
        return f"{len(stopped)} partitions wait for a newer release, first {tp.topic}/{tp.partition}: {reason}"


async def load_positions(
    projection: Projection, reader: Reader, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, int]:
    """Where to go on. A partition seen for the first time begins with the earliest record. Raises UnavailableError."""
    topics = sorted({tp.topic for tp in partitions})
    known = await projection.positions(topics)
    missing = [tp for tp in partitions if tp not in known]
    if missing:
        await reader.start({})
        begins = await reader.begins(missing)
        await reader.stop()
        await projection.begin_positions({(tp.topic, tp.partition): begins[tp] for tp in missing})
        known = await projection.positions(topics)
    return {tp: known[tp] for tp in partitions}


async def skip_gaps(projection: Projection, reader: Reader, partitions: Sequence[TopicPartition]) -> list[Span]:
    """Moves positions that lie before the first record that is kept. Raises Moved, UnavailableError."""
    known = await projection.positions(sorted({tp.topic for tp in partitions}))
    await reader.start({})
    begins, ends = await reader.begins(partitions), await reader.ends(partitions)
    for tp in partitions:
        if known[tp] > ends[tp]:
            raise UnavailableError(
                f"Postgres has projected {tp.topic}/{tp.partition} up to {known[tp]}, Kafka ends at {ends[tp]}",
                "the topic was made anew: `smpp-dispatch recorder --rebuild` into an empty database",
            )
    spans = [Span(tp.topic, tp.partition, known[tp], begins[tp]) for tp in partitions if known[tp] < begins[tp]]
    async with projection.transaction() as transaction:
        await transaction.advance(spans)
    return spans
