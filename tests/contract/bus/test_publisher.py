"""What every publisher keeps to."""

from __future__ import annotations

import asyncio

import pytest

from bus.ports import Publisher, PublishError, TopicPartition
from tests.contract.bus.backends import Backend, publish, read_all, until
from tests.contract.bus.conftest import MakeReader


async def test_each_partition_keeps_the_order_of_the_calls_and_of_their_entries(
    backend: Backend, publisher: Publisher, make_reader: MakeReader
) -> None:
    topic = await backend.create("t", 3)
    told: list[Exception | None] = []
    expected: dict[int, list[bytes]] = {0: [], 1: [], 2: []}
    for number in range(300):
        partition = number % 3
        values = [b"%d-%d" % (number, part) for part in range(number % 5 + 1)]
        expected[partition] += values
        publisher.publish(topic, partition, [(b"key", value) for value in values], told.append)
        if number % 7 == 0:
            await asyncio.sleep(0)
    await until(lambda: len(told) == 300)
    assert set(told) == {None}
    found = await read_all(await make_reader({TopicPartition(topic, number): 0 for number in range(3)}), 900)
    assert {tp.partition: [record.value for record in records] for tp, records in found.items()} == expected
    assert all([r.offset for r in records] == list(range(len(records))) for records in found.values())


async def test_what_is_acknowledged_is_in_the_log(
    backend: Backend, publisher: Publisher, make_reader: MakeReader
) -> None:
    tp = TopicPartition(await backend.create("t", 1), 0)
    reader = await make_reader({tp: 0})
    for number in range(1, 6):
        await publish(publisher, tp.topic, 0, [(None, b"%d" % number)])
        assert (await reader.ends([tp]))[tp] == number
    assert (publisher.backlog_bytes, publisher.waiting_s()) == (0, 0.0)


async def test_keys_values_and_their_absence_arrive_as_they_were(
    backend: Backend, publisher: Publisher, make_reader: MakeReader
) -> None:
    tp = TopicPartition(await backend.create("t", 1, compacted=True), 0)
    entries: list[tuple[bytes | None, bytes | None]] = [
        (b"k", b"v"),
        (b"", b""),
        (b"k", None),
        (b"\0\xff", bytes(1000)),
    ]
    await publish(publisher, tp.topic, 0, entries)
    records = (await read_all(await make_reader({tp: 0}), 4))[tp]
    assert [(record.key, record.value) for record in records] == entries
    assert all(abs(record.timestamp - records[0].timestamp) < 60_000 for record in records)


async def test_a_publish_larger_than_a_batch_is_acknowledged_once_and_whole(
    backend: Backend, publisher: Publisher, make_reader: MakeReader
) -> None:
    tp = TopicPartition(await backend.create("t", 2), 0)
    values = [b"%04d" % number + bytes(9_000) for number in range(300)]
    other: list[Exception | None] = []
    publisher.publish(tp.topic, 1, [(None, b"beside")], other.append)
    await publish(publisher, tp.topic, 0, [(None, value) for value in values])
    await until(lambda: other)
    assert other == [None]
    records = (await read_all(await make_reader({tp: 0}), 300))[tp]
    assert [record.value for record in records] == values


async def test_a_record_larger_than_a_batch_arrives(
    backend: Backend, publisher: Publisher, make_reader: MakeReader
) -> None:
    tp = TopicPartition(await backend.create("t", 1), 0)
    await publish(publisher, tp.topic, 0, [(None, b"small"), (None, bytes(900_000)), (None, b"small")])
    records = (await read_all(await make_reader({tp: 0}), 3))[tp]
    assert [len(record.value) for record in records] == [5, 900_000, 5]


async def test_after_a_batch_that_the_broker_refused_the_next_ones_arrive(
    backend: Backend, publisher: Publisher, make_reader: MakeReader
) -> None:
    """The refused one took its sequence numbers along: the same producer would be told OutOfOrderSequence for ever."""
    if not backend.is_kafka:
        pytest.skip("only a broker refuses")
    tp = TopicPartition(await backend.create("t", 1), 0)
    told: list[Exception | None] = []
    await publish(publisher, tp.topic, 0, [(None, b"before")])
    publisher.publish(tp.topic, 0, [(None, bytes(3_000_000))], told.append)
    await until(lambda: told)
    assert isinstance(told[0], PublishError)
    publisher.publish(tp.topic, 0, [(None, b"lasting")], told.append, lasting=True)
    await until(lambda: len(told) == 2)
    await publish(publisher, tp.topic, 0, [(None, b"after")])
    records = (await read_all(await make_reader({tp: 0}), 3))[tp]
    assert [record.value for record in records] == [b"before", b"lasting", b"after"]


async def test_nothing_to_publish_is_done_at_once(
    backend: Backend, publisher: Publisher, make_reader: MakeReader
) -> None:
    tp = TopicPartition(await backend.create("t", 1), 0)
    await publish(publisher, tp.topic, 0, [])
    assert (await (await make_reader({tp: 0})).ends([tp]))[tp] == 0


async def test_a_partition_that_is_not_there_is_an_error_and_hurts_nobody_else(
    backend: Backend, publisher: Publisher
) -> None:
    topic = await backend.create("t", 1)
    told: list[Exception | None] = []
    publisher.publish(topic, 7, [(None, b"nowhere")], told.append)
    await publish(publisher, topic, 0, [(None, b"fine")])
    await until(lambda: told)
    assert isinstance(told[0], PublishError)
    await publish(publisher, topic, 0, [(None, b"still fine")])


async def test_what_lasts_is_acknowledged_like_the_rest(backend: Backend, publisher: Publisher) -> None:
    topic = await backend.create("t", 1)
    await publish(publisher, topic, 0, [(None, b"a")], lasting=True)


@pytest.mark.parametrize("pause", [False, True])
async def test_stopping_tells_every_caller_once(backend: Backend, make_reader: MakeReader, pause: bool) -> None:
    tp = TopicPartition(await backend.create("t", 1), 0)
    publisher = backend.publisher()
    await publisher.start()
    told: list[Exception | None] = []
    for number in range(20):
        publisher.publish(tp.topic, 0, [(None, b"%d" % number)], told.append, lasting=number % 2 == 0)
        if pause:
            await asyncio.sleep(0)
    await publisher.stop()
    assert len(told) == 20
    assert (await (await make_reader({tp: 0})).ends([tp]))[tp] >= told.count(None)


async def test_a_publisher_that_never_started_can_be_stopped(backend: Backend) -> None:
    await backend.publisher().stop()
