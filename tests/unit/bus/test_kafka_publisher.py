"""The publisher over a producer that does what the tests say; what a real one does is in tests/contract/bus."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka.errors import KafkaError, LeaderNotAvailableError, MessageSizeTooLargeError, OutOfOrderSequenceNumber

from bus.kafka_publisher import KafkaPublisher
from bus.ports import Entry, PublishError

LIMIT = 3
"""Records that fit one batch here."""


@dataclass
class Batch:
    """In place of aiokafka's batch builder."""

    records: list[bytes | None] = field(default_factory=list)
    closed: bool = False

    def take(self, entries: Sequence[Entry], first: int, at_ms: int) -> int:
        assert not self.closed
        taken = entries[first : first + LIMIT - len(self.records)]
        self.records += [value for _, value in taken]
        return first + len(taken)

    def close(self) -> None:
        self.closed = True

    def record_count(self) -> int:
        return len(self.records)


class Producer:
    """Writes down what it is given; `answer` decides what becomes of a batch, `gates` hold partitions back."""

    def __init__(self) -> None:
        self.logs: dict[int, list[bytes | None]] = {}
        self.futures: list[asyncio.Future[None]] = []
        self.gates: dict[int, asyncio.Event] = {}
        self.answer: Callable[[int], BaseException | str | None] = lambda partition: None
        self.stopped = 0
        self.sender_task: Any = asyncio.get_running_loop().create_future()
        self._sender = self

    def create_batch(self) -> Batch:
        return Batch()

    async def launch(self, batches: Any) -> None:
        """Each batch goes by itself here; what flies is in test_producing and in the contract suite."""

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Future[None]:
        gate = self.gates.get(partition)
        if gate is not None and partition in self.logs:
            await gate.wait()  # as aiokafka does while an earlier batch of the partition was not drained
        assert batch.closed
        told = self.answer(partition)
        if isinstance(told, AssertionError | KafkaError) and str(told) == "at once":
            raise told
        self.logs.setdefault(partition, []).extend(batch.records)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.futures.append(future)
        if told == "cancel":
            future.cancel()
        elif isinstance(told, BaseException):
            future.set_exception(told)
        elif told is None:
            future.set_result(None)
        return future

    async def stop(self) -> None:
        self.stopped += 1


class Rig:
    """A publisher with a producer of ours, and what its callers were told."""

    def __init__(self, returning_s: float = 0.0) -> None:
        self.producers: list[Producer] = []
        self.publisher = KafkaPublisher("nowhere:1", "test", returning_s=returning_s)
        self.publisher._new_producer = self._made  # type: ignore[method-assign]  # no Kafka here
        self.told: list[tuple[str, Exception | None]] = []

    async def _made(self) -> Any:
        self.producers.append(Producer())
        return self.producers[-1]

    @property
    def producer(self) -> Producer:
        return self.producers[-1]

    def publish(self, partition: int, *values: str, lasting: bool = False) -> None:
        entries: list[Entry] = [(None, value.encode()) for value in values]
        name = values[0] if values else "nothing"
        self.publisher.publish("t", partition, entries, lambda fault: self.told.append((name, fault)), lasting=lasting)

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not true():
                await asyncio.sleep(0.001)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    await made.publisher.start()
    yield made
    for producer in made.producers:
        producer.answer = lambda partition: None
        for gate in producer.gates.values():
            gate.set()
        for future in producer.futures:
            if not future.done():
                future.set_result(None)
    await made.publisher.stop()


async def test_what_is_published_in_one_turn_leaves_in_one_batch_a_partition_in_order(rig: Rig) -> None:
    rig.publish(0, "a")
    rig.publish(1, "x")
    rig.publish(0, "b", "c")
    await rig.until(lambda: len(rig.told) == 3)
    assert rig.producer.logs == {0: [b"a", b"b", b"c"], 1: [b"x"]}
    assert len(rig.producer.futures) == 2
    assert {fault for _, fault in rig.told} == {None}
    assert rig.publisher.backlog_bytes == 0
    assert rig.publisher.waiting_s() == 0


async def test_a_call_is_done_when_the_last_of_its_batches_is(rig: Rig) -> None:
    rig.producer.answer = lambda partition: "wait"
    rig.publish(0, *[f"v{number}" for number in range(LIMIT * 2 + 1)])
    rig.publish(0, "after")
    await rig.until(lambda: len(rig.producer.futures) == 3)
    rig.producer.futures[2].set_result(None)
    rig.producer.futures[0].set_result(None)
    await asyncio.sleep(0.01)
    assert rig.told == []
    assert rig.publisher.waiting_s() > 0
    rig.producer.futures[1].set_result(None)
    await rig.until(lambda: len(rig.told) == 2)
    assert rig.producer.logs[0] == [f"v{number}".encode() for number in range(LIMIT * 2 + 1)] + [b"after"]


async def test_two_flushes_under_way_keep_the_order_of_each_partition(rig: Rig) -> None:
    """The first one waits with its big partition 0; its record of partition 1 must still come before that of the second."""
    gate = rig.producer.gates[0] = asyncio.Event()
    rig.publish(0, *[f"v{number}" for number in range(LIMIT + 1)])
    rig.publish(1, "first")
    await rig.until(lambda: 0 in rig.producer.logs)
    rig.publish(1, "second")
    await asyncio.sleep(0.02)
    gate.set()
    await rig.until(lambda: len(rig.told) == 3)
    assert rig.producer.logs[1] == [b"first", b"second"]


async def test_nothing_to_publish_is_done(rig: Rig) -> None:
    rig.publish(0)
    await rig.until(lambda: rig.told)
    assert rig.told == [("nothing", None)]
    assert rig.producer.logs.get(0, []) == []


@pytest.mark.parametrize(
    "answer",
    [MessageSizeTooLargeError(), KafkaError("at once"), AssertionError("at once"), "cancel"],
    ids=["broker refuses", "kafka error", "no such partition", "canceled"],
)
async def test_whatever_went_wrong_the_caller_is_told(rig: Rig, answer: Any) -> None:
    """Above all never that all is well: an acknowledgement that was not would lose a message (P1)."""
    rig.producer.answer = lambda partition: answer if partition == 0 else None
    rig.publish(0, "bad")
    rig.publish(1, "good")
    await rig.until(lambda: len(rig.told) == 2)
    told = dict(rig.told)
    assert isinstance(told["bad"], PublishError)
    assert told["good"] is None
    rig.publish(1, "more")
    await rig.until(lambda: len(rig.told) == 3)
    assert rig.publisher.backlog_bytes == 0


async def test_a_call_of_which_one_batch_failed_has_failed(rig: Rig) -> None:
    answers = iter([None, MessageSizeTooLargeError(), None])
    rig.producer.answer = lambda partition: next(answers)
    rig.publish(0, *[f"v{number}" for number in range(LIMIT * 2 + 1)])
    await rig.until(lambda: rig.told)
    assert isinstance(rig.told[0][1], PublishError)


async def test_what_lasts_is_published_again_until_it_is_there_before_what_came_later(rig: Rig) -> None:
    answers = [KafkaError("lost"), KafkaError("lost")]
    rig.producer.answer = lambda partition: answers.pop() if answers else None
    rig.publish(0, "lasting", lasting=True)
    await rig.until(lambda: not answers or rig.told)
    rig.publish(0, "later")
    await rig.until(lambda: len(rig.told) == 2)
    assert rig.told == [("lasting", None), ("later", None)]
    log = rig.producer.logs[0]
    assert log.index(b"later") > len(log) - 1 - log[::-1].index(b"lasting")


async def test_a_producer_that_is_broken_is_replaced_once_and_stopped(rig: Rig) -> None:
    """Two flushes fail together; a second replacement would leak the first one."""
    broken = rig.producer
    broken.answer = lambda partition: "wait"
    rig.publish(0, "a", lasting=True)
    await rig.until(lambda: len(broken.futures) == 1)
    rig.publish(1, "b", lasting=True)
    await rig.until(lambda: len(broken.futures) == 2)
    broken.sender_task.set_result(None)
    for future in broken.futures:
        future.set_exception(KafkaError("fenced"))
    await rig.until(lambda: len(rig.told) == 2)
    assert [fault for _, fault in rig.told] == [None, None]
    assert len(rig.producers) == 2
    assert (broken.stopped, rig.producer.stopped) == (1, 0)
    assert rig.producer.logs == {0: [b"a"], 1: [b"b"]}


async def test_a_producer_whose_numbers_have_a_gap_is_replaced(rig: Rig) -> None:
    """A batch that was given up took its sequence numbers along: the broker refuses all that follow it, for ever."""
    first = rig.producer
    first.answer = lambda partition: (
        OutOfOrderSequenceNumber() if partition in first.logs else LeaderNotAvailableError()
    )
    rig.publish(0, "passing")
    await rig.until(lambda: rig.told)
    rig.publish(0, "lasting", lasting=True)
    await rig.until(lambda: len(rig.told) == 2)
    assert isinstance(rig.told[0][1], PublishError)
    assert rig.told[1] == ("lasting", None)
    assert (first.stopped, len(rig.producers)) == (1, 2)


async def test_a_batch_that_was_never_taken_leaves_no_gap(rig: Rig) -> None:
    rig.producer.answer = lambda partition: AssertionError("at once") if partition == 0 else None
    rig.publish(0, "refused")
    await rig.until(lambda: rig.told)
    rig.publish(1, "good")
    await rig.until(lambda: len(rig.told) == 2)
    assert len(rig.producers) == 1


async def test_two_flushes_that_fail_together_keep_their_order(rig: Rig) -> None:
    first = rig.producer
    first.answer = lambda partition: "wait"
    rig.publish(0, "a", lasting=True)
    await rig.until(lambda: len(first.futures) == 1)
    rig.publish(0, "b", lasting=True)
    await rig.until(lambda: len(first.futures) == 2)
    for future in first.futures:
        future.set_exception(OutOfOrderSequenceNumber())
    await rig.until(lambda: len(rig.told) == 2)
    assert rig.producer.logs == {0: [b"a", b"b"]}
    assert len(rig.producers) == 2


async def test_what_is_acknowledged_is_let_go(rig: Rig) -> None:
    """Nobody may ask `waiting_s` for minutes: what was published meanwhile must not pile up."""

    class Entries(list[Entry]):
        """A list that can be watched."""

    kept = []
    for number in range(50):
        entries = Entries([(None, b"x" * 100)])
        kept.append(weakref.ref(entries))
        rig.publisher.publish("t", 0, entries, lambda fault: rig.told.append(("x", fault)))
        del entries
        await rig.until(lambda number=number: len(rig.told) > number)
    await asyncio.sleep(0.01)
    gc.collect()
    assert sum(ref() is not None for ref in kept) <= 1


async def test_the_oldest_that_waits_is_what_counts(rig: Rig) -> None:
    rig.producer.answer = lambda partition: "wait" if partition == 0 else None
    rig.publish(0, "old")
    await rig.until(lambda: rig.producer.futures)
    rig.publish(1, "new")
    await rig.until(lambda: rig.told)
    await asyncio.sleep(0.02)
    assert rig.publisher.waiting_s() >= 0.02
    assert rig.publisher.backlog_bytes == len("old") + 40


async def test_stopping_waits_for_what_is_under_way_and_publishes_what_is_queued() -> None:
    rig = Rig()
    await rig.publisher.start()
    rig.publish(0, "under way")
    await rig.until(lambda: rig.producer.futures)
    rig.publish(0, "queued")
    await rig.publisher.stop()
    assert sorted(rig.told) == [("queued", None), ("under way", None)]
    assert rig.producer.logs[0] == [b"under way", b"queued"]
    assert rig.producer.stopped == 1


async def test_stopping_gives_up_what_would_be_published_for_ever() -> None:
    rig = Rig()
    await rig.publisher.start()
    rig.producer.answer = lambda partition: KafkaError("away")
    rig.publish(0, "lasting", lasting=True)
    await rig.until(lambda: rig.producer.logs)
    await asyncio.wait_for(rig.publisher.stop(), 3)
    assert len(rig.told) == 1
    assert isinstance(rig.told[0][1], PublishError)


async def test_callers_who_were_just_answered_share_the_next_flush() -> None:
    rig = Rig(returning_s=5.0)
    await rig.publisher.start()
    for number in range(3):
        rig.publish(0, f"a{number}")
    await rig.until(lambda: len(rig.told) == 3)
    rig.publish(0, "b0")
    rig.publish(1, "b1")
    await asyncio.sleep(0.02)
    assert len(rig.producer.futures) == 1, "nobody is sent before the third is back"
    rig.publish(0, "b2")
    await rig.until(lambda: len(rig.told) == 6)
    assert rig.producer.logs == {0: [b"a0", b"a1", b"a2", b"b0", b"b2"], 1: [b"b1"]}
    assert len(rig.producer.futures) == 3
    await rig.publisher.stop()


async def test_a_caller_who_does_not_come_back_delays_the_others_for_a_moment_only() -> None:
    rig = Rig(returning_s=0.01)
    await rig.publisher.start()
    rig.publish(0, "a0")
    rig.publish(0, "a1")
    await rig.until(lambda: len(rig.told) == 2)
    rig.publish(0, "b0")
    await rig.until(lambda: len(rig.told) == 3)
    await rig.publisher.stop()
