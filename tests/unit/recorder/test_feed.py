"""What goes into one batch: an outcome takes its message along, whichever was read first, and what has no outcome waits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

import pytest

from bus.memory import MemoryCluster, MemoryReader
from bus.ports import StoredRecord, TopicPartition
from recorder.batches import Decoder
from recorder.feed import Feed, Gathering, Pulse
from recorder.sources import Sources
from runtime.clock import SystemClock
from schemas.codec import encode
from schemas.records import MtMessage, SubmitOutcome
from schemas.topics import Topics

TOPICS = Topics("f-")
SOURCES = Sources(TOPICS, {"alpha": 1})
MT, OUTCOMES = TopicPartition(TOPICS.mt("alpha", 0), 0), TopicPartition(TOPICS.outcomes("alpha"), 0)
LONG = Gathering(4, 0.0, 30.0, 0.0, 30.0)


def id_of(number: int) -> bytes:
    return b"\x01" * 12 + number.to_bytes(4, "big")


def message(number: int) -> bytes:
    return encode(MtMessage(id_of(number), "shop", 0, "alpha", b"s", b"i" * 16, 1, 2, 1, 0, 0, 3, 5, "USD"))


def outcome(number: int) -> bytes:
    return encode(SubmitOutcome(id_of(number), 0, number, 1, 0, 1, 0, 1, "", 0, ("x",)))


@pytest.fixture
def cluster() -> MemoryCluster:
    made = MemoryCluster()
    for source in SOURCES.by_topic.values():
        made.create(source.topic, source.partitions)
    return made


@pytest.fixture
async def feed(cluster: MemoryCluster) -> AsyncIterator[Feed]:
    made = Feed(MemoryReader(cluster), Decoder(SOURCES), {MT: 0, OUTCOMES: 0}, LONG, SystemClock())
    await made.start()
    yield made
    await made.stop()


async def test_a_message_waits_for_its_outcome_and_both_are_in_one_batch(cluster: MemoryCluster, feed: Feed) -> None:
    cluster.append(MT, [(None, message(0)), (None, message(1))])
    assert await feed.next(0.05) is None
    assert feed.waiting == 2
    cluster.append(OUTCOMES, [(None, outcome(0))])
    batch = await feed.next(2.0)
    assert batch is not None
    assert ([copy.message.id for copy in batch.queued], len(batch.outcomes)) == ([id_of(0)], 1)
    assert feed.waiting == 1


async def test_an_outcome_whose_message_is_far_behind_others_that_wait_takes_them_all_along(
    cluster: MemoryCluster, feed: Feed
) -> None:
    """Reading of a queue stops while enough of it waits here, and goes on for the one that is wanted."""
    cluster.append(MT, [(None, message(number)) for number in range(40)])
    assert await feed.next(0.05) is None
    assert feed.waiting < 40
    cluster.append(OUTCOMES, [(None, outcome(39))])
    batch = await feed.next(2.0)
    assert batch is not None
    assert [copy.message.id for copy in batch.queued] == [id_of(number) for number in range(40)]


async def test_of_many_queues_no_more_is_held_than_of_one() -> None:
    sources, cluster = Sources(TOPICS, {"alpha": 8}), MemoryCluster()
    for source in sources.by_topic.values():
        cluster.create(source.topic, source.partitions)
    queues = [TopicPartition(TOPICS.mt("alpha", cls), partition) for cls in range(3) for partition in range(8)]
    outcomes = TopicPartition(TOPICS.outcomes("alpha"), 7)
    for tp in queues:
        cluster.append(tp, [(None, message(number)) for number in range(20)])
    feed = Feed(MemoryReader(cluster), Decoder(sources), dict.fromkeys([*queues, outcomes], 0), LONG, SystemClock())
    await feed.start()
    assert await feed.next(0.2) is None
    assert feed.waiting <= 2 * LONG.most_records + LONG.most_records
    cluster.append(outcomes, [(None, outcome(19))])
    batch = await feed.next(5.0)
    await feed.stop()
    assert batch is not None, "what an outcome needs is read all the same"
    assert len(batch.queued) >= 20


async def test_an_outcome_whose_message_is_nowhere_does_not_wait(cluster: MemoryCluster, feed: Feed) -> None:
    cluster.append(OUTCOMES, [(None, outcome(7))])
    batch = await feed.next(2.0)
    assert batch is not None
    assert (len(batch.queued), len(batch.outcomes)) == (0, 1)


def test_busy_is_when_many_came_in_the_last_half_second() -> None:
    pulse = Pulse(100.0)
    pulse.beat(0, 10.0)
    pulse.beat(49, 10.2)
    assert not pulse.busy
    pulse.beat(1, 10.5)
    assert pulse.busy
    pulse.beat(10, 10.9)
    assert pulse.busy
    pulse.beat(10, 11.1)
    assert not pulse.busy


class Waits(MemoryReader):
    """Remembers how long it was let wait."""

    def __init__(self, cluster: MemoryCluster) -> None:
        super().__init__(cluster)
        self.waits: list[float] = []

    async def poll(self, timeout_s: float, most: int) -> Mapping[TopicPartition, Sequence[StoredRecord]]:
        self.waits.append(timeout_s)
        return await super().poll(timeout_s, most)


async def test_while_messages_are_overdue_an_outcomes_message_is_waited_for_without_spinning(
    cluster: MemoryCluster,
) -> None:
    """A poll that may not wait gives the fetches no turn of the loop to come in."""
    reader = Waits(cluster)
    feed = Feed(reader, Decoder(SOURCES), {MT: 0, OUTCOMES: 0}, Gathering(4, 0.0), SystemClock())
    cluster.append(MT, [(None, message(0))])
    cluster.append(OUTCOMES, [(None, outcome(7))])
    await feed.start()
    assert await feed.next(2.0) is not None
    await feed.stop()
    assert reader.waits.count(0) <= 4


class OneByOne(MemoryReader):
    """Brings a record each time, as one that fetches little at a time."""

    async def poll(self, timeout_s: float, most: int) -> Mapping[TopicPartition, Sequence[StoredRecord]]:
        return await super().poll(timeout_s, 1)


async def test_under_load_a_batch_has_all_that_came_while_it_was_gathered(cluster: MemoryCluster) -> None:
    gathering = Gathering(10, 0.0, busy_wait_s=0.3)
    feed = Feed(OneByOne(cluster), Decoder(SOURCES), {MT: 0, OUTCOMES: 0}, gathering, SystemClock())
    feed._pulse = Pulse(0.0)
    cluster.append(OUTCOMES, [(None, outcome(number)) for number in range(5)])
    await feed.start()
    batch = await feed.next(2.0)
    await feed.stop()
    assert batch is not None
    assert len(batch.outcomes) == 5
