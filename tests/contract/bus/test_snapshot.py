"""The snapshot of a compacted topic: whole at the start, followed afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from bus.ports import Publisher, TopicPartition
from bus.snapshot import Snapshot
from tests.contract.bus.backends import Backend, KafkaBackend, publish, until

Applied = list[tuple[bytes, bytes | None]]
Made = tuple[Snapshot, Applied]
MakeSnapshot = Callable[[], Made]


@pytest.fixture
async def topic(backend: Backend) -> str:
    return await backend.create("reference", 1, compacted=True)


@pytest.fixture
async def make_snapshot(backend: Backend, topic: str) -> AsyncIterator[MakeSnapshot]:
    """A snapshot of the topic that is not started yet, and what it applies."""
    made: list[Snapshot] = []

    def make() -> Made:
        applied: Applied = []
        made.append(Snapshot(backend.reader(), topic, lambda key, value: applied.append((key, value))))
        return made[-1], applied

    yield make
    for snapshot in made:
        await snapshot.stop()


async def started(snapshot: Snapshot) -> None:
    async with asyncio.timeout(10):
        await snapshot.start()


async def test_an_empty_topic_is_a_whole_snapshot(make_snapshot: MakeSnapshot) -> None:
    snapshot, applied = make_snapshot()
    await started(snapshot)
    assert (applied, snapshot.position) == ([], 0)


async def test_everything_that_was_there_is_applied_when_the_start_returns(
    topic: str, publisher: Publisher, make_snapshot: MakeSnapshot
) -> None:
    entries: Applied = [(b"key/%d" % (number % 700), b"v%d" % number) for number in range(5_000)]
    entries[10] = (b"key/3", None)
    await publish(publisher, topic, 0, entries)
    snapshot, applied = make_snapshot()
    await started(snapshot)
    assert applied == entries
    assert snapshot.position == 5_000


async def test_what_comes_later_follows_in_order_tombstones_too(
    topic: str, publisher: Publisher, make_snapshot: MakeSnapshot
) -> None:
    await publish(publisher, topic, 0, [(b"a", b"1")])
    snapshot, applied = make_snapshot()
    await started(snapshot)
    await publish(publisher, topic, 0, [(b"b", b"2"), (b"a", None)])
    await publish(publisher, topic, 0, [(b"b", b"3")])
    await until(lambda: snapshot.position == 4)
    assert applied == [(b"a", b"1"), (b"b", b"2"), (b"a", None), (b"b", b"3")]


async def test_records_without_a_key_are_passed_over(
    backend: Backend, publisher: Publisher, make_snapshot: MakeSnapshot
) -> None:
    """A compacted topic refuses them; another one of this name may hold some."""
    name = await backend.create("plain", 1)
    await publish(publisher, name, 0, [(None, b"x"), (b"a", b"1"), (None, None)])
    applied: Applied = []
    snapshot = Snapshot(backend.reader(), name, lambda key, value: applied.append((key, value)))
    await started(snapshot)
    assert (applied, snapshot.position) == ([(b"a", b"1")], 3)
    await snapshot.stop()


async def test_a_log_that_does_not_begin_at_zero(
    backend: Backend, publisher: Publisher, make_snapshot: MakeSnapshot
) -> None:
    name = await backend.create("shortened", 1)
    await publish(publisher, name, 0, [(b"k%d" % number, b"v") for number in range(10)])
    await backend.delete_before(TopicPartition(name, 0), 6)
    applied: Applied = []
    snapshot = Snapshot(backend.reader(), name, lambda key, value: applied.append((key, value)))
    await started(snapshot)
    assert [key for key, _ in applied] == [b"k6", b"k7", b"k8", b"k9"]
    await snapshot.stop()


async def test_a_log_whose_records_are_all_gone(backend: Backend, publisher: Publisher) -> None:
    name = await backend.create("emptied", 1)
    await publish(publisher, name, 0, [(b"k", b"v")] * 5)
    await backend.delete_before(TopicPartition(name, 0), 5)
    applied: Applied = []
    snapshot = Snapshot(backend.reader(), name, lambda key, value: applied.append((key, value)))
    await started(snapshot)
    assert (applied, snapshot.position) == ([], 5)
    await snapshot.stop()


async def test_a_gap_at_the_end_that_no_record_fills(kafka: KafkaBackend) -> None:
    """The mark of a transaction has an offset and is no record; compaction leaves such gaps too."""
    name = await kafka.create("gap", 1)
    producer: Any = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, transactional_id=kafka.name("tx"))
    await producer.start()
    try:
        async with producer.transaction():
            await producer.send_and_wait(name, b"1", key=b"a", partition=0)
        async with producer.transaction():
            await producer.send_and_wait(name, b"2", key=b"b", partition=0)
    finally:
        await producer.stop()
    applied: Applied = []
    snapshot = Snapshot(kafka.reader(), name, lambda key, value: applied.append((key, value)))
    await started(snapshot)
    assert applied == [(b"a", b"1"), (b"b", b"2")]
    assert snapshot.position == 4
    await snapshot.stop()


async def test_stopping_before_the_start_and_twice(make_snapshot: MakeSnapshot) -> None:
    snapshot, _ = make_snapshot()
    await snapshot.stop()
