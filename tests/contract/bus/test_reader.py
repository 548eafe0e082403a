"""What every reader keeps to."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiokafka.errors import KafkaTimeoutError

from bus import fetching
from bus.ports import Publisher, Reader, ReadError, TopicPartition
from tests.contract.bus.backends import Backend, KafkaBackend, MemoryBackend, publish, read_all
from tests.contract.bus.conftest import MakeReader, on_kafka


@pytest.fixture(params=["memory", *[pytest.param(name, marks=pytest.mark.servers) for name in ("kafka", "shared")]])
def backend(request: pytest.FixtureRequest) -> Backend:
    """`shared`: a real Kafka, and one fetcher for all readers of a test."""
    return MemoryBackend() if request.param == "memory" else on_kafka(request, shared=request.param == "shared")


@pytest.fixture
async def filled(backend: Backend, publisher: Publisher) -> str:
    """A topic of two partitions with 20 records each: `<partition>-<offset>`."""
    topic = await backend.create("t", 2)
    for partition in range(2):
        await publish(publisher, topic, partition, [(None, b"%d-%d" % (partition, number)) for number in range(20)])
    return topic


async def next_offset(reader: Reader, tp: TopicPartition) -> int:
    first: int = (await read_all(reader, 1, most=1))[tp][0].offset
    return first


async def test_reading_begins_where_it_is_told(filled: str, make_reader: MakeReader) -> None:
    first, second = TopicPartition(filled, 0), TopicPartition(filled, 1)
    found = await read_all(await make_reader({first: 5, second: 18}), 17)
    assert [record.value for record in found[first]] == [b"0-%d" % number for number in range(5, 20)]
    assert [record.value for record in found[second]] == [b"1-18", b"1-19"]


async def test_a_poll_brings_at_most_what_was_asked_for(filled: str, make_reader: MakeReader) -> None:
    reader = await make_reader({TopicPartition(filled, 0): 0, TopicPartition(filled, 1): 0})
    sizes = []
    while sum(sizes) < 40:
        found = await reader.poll(5, 7)
        sizes.append(sum(map(len, found.values())))
        assert 0 < sizes[-1] <= 7
        assert all(records for records in found.values())


async def test_a_poll_at_the_end_waits_and_comes_back_empty(filled: str, make_reader: MakeReader) -> None:
    reader = await make_reader({TopicPartition(filled, 0): 20})
    began = time.monotonic()
    assert not await reader.poll(0.2, 10)
    assert 0.15 < time.monotonic() - began < 3


async def test_what_comes_while_a_poll_waits_is_brought(
    filled: str, publisher: Publisher, make_reader: MakeReader
) -> None:
    tp = TopicPartition(filled, 0)
    reader = await make_reader({tp: 20})
    waiting = asyncio.create_task(reader.poll(10, 10))
    await asyncio.sleep(0.05)
    began = time.monotonic()
    await publish(publisher, filled, 0, [(None, b"new")])
    found = await waiting
    assert [record.value for record in found[tp]] == [b"new"]
    assert time.monotonic() - began < 5


async def test_seeking_moves_back_and_on(filled: str, make_reader: MakeReader) -> None:
    tp = TopicPartition(filled, 0)
    reader = await make_reader({tp: 0})
    assert await next_offset(reader, tp) == 0
    for offset in (10, 3, 19, 0, 5):
        reader.seek(tp, offset)
        assert await next_offset(reader, tp) == offset


async def test_a_paused_partition_keeps_its_place_and_lets_the_others_on(filled: str, make_reader: MakeReader) -> None:
    first, second = TopicPartition(filled, 0), TopicPartition(filled, 1)
    reader = await make_reader({first: 0, second: 0})
    reader.pause([first])
    assert set(await read_all(reader, 20)) == {second}
    assert not await reader.poll(0.1, 10)
    reader.resume([first])
    assert [record.offset for record in (await read_all(reader, 20))[first]] == list(range(20))


async def test_pausing_midway_loses_nothing_and_repeats_nothing(filled: str, make_reader: MakeReader) -> None:
    """What was fetched and not handed out yet is neither dropped nor handed out while it is paused."""
    tp = TopicPartition(filled, 0)
    reader = await make_reader({tp: 0})
    offsets = []
    while len(offsets) < 20:
        offsets += [record.offset for record in (await read_all(reader, 1, most=3))[tp]]
        reader.pause([tp])
        assert not await reader.poll(0.02, 10)
        reader.resume([tp])
    assert offsets == list(range(20))


async def test_seeking_while_paused_holds_after_it(filled: str, make_reader: MakeReader) -> None:
    tp = TopicPartition(filled, 0)
    reader = await make_reader({tp: 0})
    assert await next_offset(reader, tp) == 0
    reader.pause([tp])
    reader.seek(tp, 12)
    reader.resume([tp])
    assert await next_offset(reader, tp) == 12


async def test_ends_and_begins(backend: Backend, filled: str, make_reader: MakeReader) -> None:
    first, second = TopicPartition(filled, 0), TopicPartition(filled, 1)
    await backend.delete_before(first, 8)
    reader = await make_reader({first: 8, second: 0})
    assert dict(await reader.begins([first, second])) == {first: 8, second: 0}
    assert dict(await reader.ends([first, second])) == {first: 20, second: 20}


@pytest.mark.parametrize("offset", [0, 7, 21, 1000])
async def test_a_position_that_the_log_does_not_have_is_an_error(
    backend: Backend, filled: str, make_reader: MakeReader, offset: int
) -> None:
    """Never a jump to the begin or the end: it would send everything again, or skip it."""
    tp = TopicPartition(filled, 0)
    await backend.delete_before(tp, 8)
    reader = await make_reader({tp: offset})

    async def read_on() -> None:
        for _ in range(20):
            assert not await reader.poll(0.5, 10)

    with pytest.raises(ReadError):
        await read_on()


async def test_lag_is_what_is_there_and_was_not_read(filled: str, make_reader: MakeReader) -> None:
    tp = TopicPartition(filled, 0)
    reader = await make_reader({tp: 0})
    read = 0
    while read < 20:
        read += len((await read_all(reader, 1, most=6))[tp])
        assert reader.lag()[tp] == 20 - read


async def test_two_readers_do_not_share_a_place(filled: str, make_reader: MakeReader) -> None:
    tp = TopicPartition(filled, 0)
    one, two = await make_reader({tp: 0}), await make_reader({tp: 0})
    assert len((await read_all(one, 20))[tp]) == len((await read_all(two, 20))[tp]) == 20


async def test_a_poll_that_waits_gets_what_is_resumed_meanwhile(filled: str, make_reader: MakeReader) -> None:
    """In order, whatever the reader had fetched of it before the pause."""
    first, second = TopicPartition(filled, 0), TopicPartition(filled, 1)
    reader = await make_reader({first: 0, second: 0})
    assert sum(map(len, (await reader.poll(5, 1)).values())) == 1
    reader.pause([first, second])
    assert not await reader.poll(0.3, 100)
    waiting = asyncio.create_task(reader.poll(10, 100))
    await asyncio.sleep(0.05)
    reader.resume([first, second])
    began = time.monotonic()
    found = dict(await waiting)
    assert time.monotonic() - began < 5
    while sum(map(len, found.values())) < 39:
        for tp, records in (await reader.poll(5, 100)).items():
            found[tp] = [*found.get(tp, ()), *records]
    assert sorted(record.offset for record in found[first])[-1] == 19
    assert all([one.offset for one in some] == sorted(one.offset for one in some) for some in found.values())


@pytest.mark.servers
async def test_the_ends_of_a_topic_that_is_not_there_are_not_waited_for_for_ever(
    kafka: KafkaBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "BOUNDS_S", 0.5)
    missing = TopicPartition(kafka.name("missing"), 0)
    reader = kafka.reader()
    await reader.start({missing: 0})
    try:
        with pytest.raises(KafkaTimeoutError, match=r"missing in 0\.5 s"):
            await reader.ends([missing])
    finally:
        await reader.stop()
