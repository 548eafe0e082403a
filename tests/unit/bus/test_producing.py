"""The short way of a flush, and that whatever meets it becomes aiokafka's business without a loss, a double or a swap."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

import aiokafka.errors as kafka_errors
import pytest

from bus.ports import Entry, TopicPartition
from bus.producing import Batch, Faults, Producer
from tests.unit.bus.broker import Broker, Fate, Line, Rig

NOT_LEADER = 6
TOO_LARGE = 10
DUPLICATE = 46


def at(number: int) -> TopicPartition:
    return TopicPartition("t", number)


class One:
    """A producer, and one broker that leads three partitions."""

    def __init__(self) -> None:
        self.rig = Rig(0, 0, 0)
        self.producer: Producer = self.rig.producer()

    @property
    def broker(self) -> Broker:
        return self.rig.brokers[0]

    def batches(self, *values: str) -> dict[TopicPartition, Batch]:
        """`values[n]`: the letters that go to partition n, a record each."""
        made = {}
        for number, letters in enumerate(values):
            if letters:
                batch = self.producer.create_batch()
                batch.take([(None, letter.encode()) for letter in letters], 0, 1_000)
                batch.close()
                made[at(number)] = batch
        return made

    async def fly(self, *values: str) -> Faults:
        flight = await self.producer.launch(self.batches(*values))
        assert flight is not None
        return await asyncio.wait_for(flight, 5)

    def logs(self) -> dict[int, bytes]:
        return {tp.partition: b"".join(values) for tp, values in self.broker.logs.items()}


@pytest.fixture
async def one() -> AsyncIterator[One]:
    made = One()
    yield made
    made.broker.gate.set()
    await asyncio.wait_for(made.producer.stop(), 5)


async def test_a_flush_is_one_request_and_the_next_ones_numbers_follow(one: One) -> None:
    assert await one.fly("ab", "", "x") == {at(0): None, at(2): None}
    assert await one.fly("c", "q", "y") == {at(0): None, at(1): None, at(2): None}
    assert one.broker.requests == [[0, 2], [0, 1, 2]]
    assert one.logs() == {0: b"abc", 1: b"q", 2: b"xy"}


async def test_a_partition_that_was_refused_for_a_moment_is_repeated_alone_with_its_numbers(one: One) -> None:
    one.broker.codes[1] = deque([NOT_LEADER, NOT_LEADER])
    assert set((await one.fly("a", "b", "c")).values()) == {None}
    assert one.broker.requests == [[0, 1, 2], [1], [1]]
    assert one.logs() == {0: b"a", 1: b"b", 2: b"c"}


@pytest.mark.parametrize("fate", [fate for fate in Fate if fate is not Fate.ANSWERED])
async def test_without_an_answer_all_are_repeated_and_none_stands_twice(one: One, fate: Fate) -> None:
    one.broker.fates = deque([Fate.ANSWERED, fate, fate])
    for letter in "abc":
        assert await one.fly(letter, letter.upper()) == {at(0): None, at(1): None}
    assert one.broker.requests[1:3] == [[0, 1], [0, 1]]
    assert one.logs() == {0: b"abc", 1: b"ABC"}


async def test_a_connection_without_an_answer_is_not_used_again(one: One) -> None:
    (line,) = one.producer.client._conns.values()
    one.broker.fates.append(Fate.NO_ANSWER)
    await one.fly("a")
    assert not line.connected()
    assert await one.fly("b") == {at(0): None}
    assert one.logs() == {0: b"ab"}


async def test_what_is_refused_for_good_is_told_of_its_partition_only(one: One) -> None:
    one.broker.codes[0] = deque([TOO_LARGE, TOO_LARGE])
    found = await one.fly("a", "b")
    assert isinstance(found[at(0)], kafka_errors.MessageSizeTooLargeError)
    assert found[at(1)] is None


async def test_what_the_broker_has_is_there(one: One) -> None:
    one.broker.codes[0] = deque([DUPLICATE])
    assert await one.fly("a") == {at(0): None}
    assert len(one.broker.requests) == 1


async def test_a_partition_that_the_answer_forgot_is_repeated(one: One) -> None:
    class Forgetful(Line):
        async def send(self, request: object) -> object:  # type: ignore[override]
            told = await super().send(request)
            return told._replace(topics=[(topic, found[1:]) for topic, found in told.topics])

    ((place, _),) = one.producer.client._conns.items()
    one.producer.client._conns[place] = Forgetful(one.broker)
    assert await one.fly("a", "b") == {at(0): None, at(1): None}
    assert one.broker.requests == [[0, 1], [0]]
    assert one.logs() == {0: b"a", 1: b"b"}


async def test_a_flight_waits_for_the_one_before(one: One) -> None:
    one.broker.gate.clear()
    first = await one.producer.launch(one.batches("a"))
    second = asyncio.create_task(one.producer.launch(one.batches("b")))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not second.done()
    one.broker.gate.set()
    flight = await second
    assert first is not None
    assert first.done()
    assert flight is not None
    assert await flight == {at(0): None}
    assert one.logs() == {0: b"ab"}


async def test_what_aiokafka_was_given_meanwhile_comes_after_the_repeats(one: One) -> None:
    one.broker.gate.clear()
    one.broker.fates.append(Fate.NEVER_CAME)
    flight = await one.producer.launch(one.batches("a", "x"))
    later = [
        await one.producer.send_batch(batch, tp.topic, partition=tp.partition)
        for tp, batch in one.batches("b", "", "q").items()
    ]
    one.broker.gate.set()
    assert flight is not None
    assert await flight == {at(0): None, at(1): None}
    await asyncio.wait(later)
    assert one.logs() == {0: b"ab", 1: b"x", 2: b"q"}


async def test_none_flies_past_what_waits_in_aiokafka(one: One) -> None:
    one.broker.gate.clear()
    (batch,) = one.batches("a").values()
    first = await one.producer.send_batch(batch, "t", partition=0)
    assert await one.producer.launch(one.batches("b")) is None
    for _ in range(10):
        await asyncio.sleep(0)  # aiokafka's request is under way
    assert await one.producer.launch(one.batches("b")) is None
    assert await one.producer.launch(one.batches("", "c")) is None
    one.broker.gate.set()
    await first
    await asyncio.sleep(0)
    assert await one.fly("b") == {at(0): None}
    assert one.logs() == {0: b"ab"}


async def test_none_flies_without_a_leader_or_a_connection(one: One) -> None:
    for tp in (TopicPartition("other", 0), at(3)):
        (batch,) = one.batches("a").values()
        assert await one.producer.launch({tp: batch}) is None
    (line,) = one.producer.client._conns.values()
    line.close()
    assert await one.producer.launch(one.batches("a")) is None


async def test_each_broker_gets_its_own_request() -> None:
    rig = Rig(0, 1, 0)
    producer = rig.producer()
    made = One.batches(SimpleOne(producer), "a", "b", "c")
    rig.brokers[1].codes[1] = deque([NOT_LEADER])
    flight = await producer.launch(made)
    assert flight is not None
    assert await flight == {at(0): None, at(1): None, at(2): None}
    assert rig.brokers[0].requests == [[0, 2]]
    assert rig.brokers[1].requests == [[1], [1]]
    await producer.stop()


class SimpleOne(One):
    """Of a producer that is there."""

    def __init__(self, producer: Producer) -> None:
        self.producer = producer


async def test_a_producer_that_ends_during_the_pause_says_so(one: One) -> None:
    """Never that all is well: an acknowledgement that was not would lose a message (P1)."""
    one.broker.fates.append(Fate.NEVER_CAME)
    flight = await one.producer.launch(one.batches("a", "b"))
    one.producer._message_accumulator._exception = kafka_errors.ProducerFenced()
    assert flight is not None
    found = await flight
    assert all(isinstance(fault, kafka_errors.ProducerFenced) for fault in found.values())
    assert await one.producer.launch(one.batches("c")) is None
    one.producer._message_accumulator._exception = None


async def test_a_producer_that_ends_with_repeats_in_it_says_so(one: One) -> None:
    one.broker.codes[0] = deque([NOT_LEADER])
    flight = await one.producer.launch(one.batches("a"))
    assert flight is not None
    while not one.broker.requests:
        await asyncio.sleep(0)
    one.broker.gate.clear()
    while not one.producer._message_accumulator._pending_batches:
        await asyncio.sleep(0.001)
    one.producer._message_accumulator.fail_all(kafka_errors.KafkaError("ended"))
    assert isinstance((await asyncio.wait_for(flight, 5))[at(0)], kafka_errors.KafkaError)
    one.broker.gate.set()


async def test_stopping_waits_for_a_flight_and_its_repeats() -> None:
    one = One()
    one.broker.gate.clear()
    one.broker.fates.append(Fate.ANSWER_LOST)
    flight = await one.producer.launch(one.batches("a"))
    stopping = asyncio.create_task(one.producer.stop())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not stopping.done()
    one.broker.gate.set()
    await asyncio.wait_for(stopping, 5)
    assert flight is not None
    assert await flight == {at(0): None}
    assert one.logs() == {0: b"a"}


async def test_a_batch_takes_what_finds_room_and_an_empty_one_anything(one: One) -> None:
    entries: list[Entry] = [(b"k", bytes([number]) * 100) for number in range(4)]
    first, second, large = (one.producer.create_batch() for _ in range(3))
    assert first.take(entries, 0, 1_000) == 2
    assert second.take(entries, 2, 1_000) == 4
    assert (first.record_count(), second.record_count()) == (2, 2)
    assert large.take([(None, bytes(1_000))], 0, 1_000) == 1
    assert large.take(entries, 0, 1_000) == 0
    for at_most in (first, second):
        at_most.close()
    flights = [await one.producer.launch({at(0): batch}) for batch in (first, second)]
    for flight in flights:
        assert flight is not None
        assert await flight == {at(0): None}
    assert one.broker.logs[at(0)] == [value for _, value in entries]
