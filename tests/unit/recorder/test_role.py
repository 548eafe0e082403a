"""The recorder's life over in-memory Kafka and Postgres: shares, outages, positions, and what readiness says."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from bus.assignor import Claim
from bus.memory import MemoryCluster, MemoryMember, MemoryReader
from bus.ports import TopicPartition
from recorder.batches import Decoder
from recorder.feed import Feed, Gathering
from recorder.projector import Projector
from recorder.role import Recorder
from recorder.sources import UNITS, Sources, carriers_to_read
from runtime.clock import SystemClock
from schemas import ids
from schemas.codec import encode
from schemas.records import DeadLetter, MtMessage
from schemas.topics import Topics
from tests.property.recorder.twin import MemoryProjection

TOPICS = Topics("u-")
SOURCES = Sources(TOPICS, {"alpha": 4})
MT = TOPICS.mt("alpha", 0)


class World:
    """One Kafka, one Postgres, recorders by name."""

    def __init__(self) -> None:
        self.cluster = MemoryCluster()
        for source in SOURCES.by_topic.values():
            self.cluster.create(source.topic, source.partitions)
        self.projection = MemoryProjection()
        self.tasks: list[asyncio.Task[None]] = []
        self.recorders: dict[str, Recorder] = {}

    def start(self, name: str) -> Recorder:
        decoder, clock = Decoder(SOURCES), SystemClock()
        projector = Projector(self.projection, decoder, {}, self.no_letters, clock)  # type: ignore[arg-type]  # the twin
        claim = Claim(name, SOURCES.fingerprint, UNITS)
        recorder = Recorder(
            SOURCES,
            self.projection,  # type: ignore[arg-type]  # the twin
            projector,
            decoder,
            lambda: MemoryReader(self.cluster),
            lambda listener: MemoryMember(self.cluster, TOPICS.recorder_group, claim, listener),
            Gathering(1000, 0.0),
            clock,
        )
        self.recorders[name] = recorder
        self.tasks.append(asyncio.create_task(recorder.run()))
        return recorder

    async def no_letters(self, letters: Sequence[DeadLetter]) -> None:
        raise AssertionError(letters)

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for recorder in self.recorders.values():
            await recorder.stop()
        self.recorders.clear()

    def accept(self, part: int, count: int = 1) -> None:
        for _ in range(count):
            id = ids.random_ids(SystemClock().wall_ms(), os.urandom(10))[0]
            one = MtMessage(id, "shop", 0, "alpha", b"s", b"i" * 16, 1, 2, 1, 0, 0, 3, 5, "USD")
            self.cluster.append(TopicPartition(MT, part), [(None, encode(one))])

    def recorded(self) -> int:
        return len(self.projection.tables.messages)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.stop()


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not what():
            await asyncio.sleep(0.001)


async def test_it_begins_with_the_earliest_record_and_goes_on_from_its_positions(world: World) -> None:
    world.accept(0, 3)
    world.start("r1")
    await until(lambda: world.recorded() == 3)
    await world.stop()
    world.accept(1, 2)
    world.start("r1")
    await until(lambda: world.recorded() == 5)
    assert world.projection.tables.positions[MT, 0] == 3


async def test_a_share_that_is_taken_back_is_left_and_taken_up_by_the_other(world: World) -> None:
    first = world.start("r1")
    await until(lambda: first._share is not None)
    second = world.start("r2")
    await until(lambda: second._share is not None and not second._share.over.is_set())
    for part in range(4):
        world.accept(part, 5)
    await until(lambda: world.recorded() == 20)
    assert first._share is not None
    assert second._share is not None
    assert not set(first._share.partitions) & set(second._share.partitions)


async def test_while_postgres_is_away_it_waits_says_so_and_catches_up(world: World) -> None:
    recorder = world.start("r1")
    world.accept(0)
    await until(lambda: world.recorded() == 1)
    world.projection.away = True
    world.accept(0, 500)
    await until(lambda: recorder.postgres_check() is not None)
    assert recorder.postgres_check() == "Postgres is not reachable: start it"
    world.projection.away = False
    await until(lambda: world.recorded() == 501)
    await until(lambda: recorder.postgres_check() is None)


async def test_a_lost_answer_to_a_commit_makes_it_read_its_positions_again(world: World) -> None:
    world.start("r1")
    world.accept(0)
    await until(lambda: world.recorded() == 1)
    world.projection.fail_commits = 1
    world.accept(0, 3)
    await until(lambda: world.recorded() == 4)
    world.accept(0, 3)
    await until(lambda: world.recorded() == 7)


async def test_records_that_kafka_has_dropped_are_passed_over(world: World) -> None:
    world.start("r1")
    world.accept(0)
    await until(lambda: world.recorded() == 1)
    await world.stop()
    world.accept(0, 2)
    # Retention took what was never read.
    world.cluster.logs[TopicPartition(MT, 0)].clear()
    world.cluster.starts[TopicPartition(MT, 0)] = 3
    world.accept(0, 1)
    world.start("r1")
    await until(lambda: world.recorded() == 2)
    assert world.projection.tables.positions[MT, 0] == 4


async def test_a_topic_that_was_made_anew_is_told_and_not_projected_over(world: World) -> None:
    world.projection.tables.positions[MT, 0] = 50
    world.accept(0)
    recorder = world.start("r1")
    await until(lambda: "rebuild" in (recorder.postgres_check() or ""))
    assert world.recorded() == 0


async def test_a_partition_before_a_newer_record_waits_and_the_others_go_on(world: World) -> None:
    recorder = world.start("r1")
    world.accept(0)
    world.cluster.append(TopicPartition(MT, 0), [(None, b"\x92\xcd\x03\x84\x01")])
    world.accept(0)
    await until(lambda: recorder.release_check() is not None)
    world.accept(1, 2)
    await until(lambda: world.recorded() == 3)
    assert "1 partitions wait for a newer release" in (recorder.release_check() or "")
    assert world.projection.tables.positions[MT, 0] == 1


async def test_a_feed_gathers_no_more_than_a_batch_may_hold_and_reads_one_ahead(world: World) -> None:
    world.accept(0, 250)
    tp = TopicPartition(MT, 0)
    feed = Feed(MemoryReader(world.cluster), Decoder(SOURCES), {tp: 0}, Gathering(100, 0.0), SystemClock())
    await feed.start()
    batches = [await feed.next(1.0) for _ in range(3)]
    assert [batch.count if batch else 0 for batch in batches] == [100, 100, 50]
    assert [batch.spans[tp] for batch in batches if batch] == [(0, 100), (100, 200), (200, 250)]
    assert await feed.next(0.01) is None
    await feed.stop()


def test_partitions_that_fold_go_together() -> None:
    seen: list[TopicPartition] = []
    for unit in range(UNITS):
        own = SOURCES.partitions([unit], UNITS)
        carriers = {tp.partition for tp in own if "alpha" in tp.topic}
        assert carriers == ({unit} if unit < 4 else set())
        seen += own
    assert sorted(seen) == sorted(SOURCES.all_partitions())
    assert len(seen) == len(set(seen)) == 4 * 4 + 8 + 8 + 1


def test_a_carrier_that_left_the_file_is_read_while_kafka_has_its_topics() -> None:
    existing = {TOPICS.outcomes("gone"): 6, "u-outcomes.half": 3, "other-outcomes.x": 9}
    existing |= {TOPICS.mt("gone", cls): 6 for cls in range(3)}
    assert carriers_to_read(TOPICS, {"alpha": 4}, existing) == {"alpha": 4, "gone": 6}
