"""Schedulers over a real Kafka and a real Postgres: what is due is published once, whoever dies in between."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bus.kafka_publisher import KafkaPublisher
from bus.kafka_reader import KafkaReader
from bus.ports import Done, Entry, Publisher, TopicPartition
from policy.gate import Facts
from runtime.clock import SystemClock
from scheduler.evidence import Evidence
from scheduler.releasing import Releasing
from scheduler.role import Scheduler
from schemas.codec import decode_mt
from schemas.records import MtMessage, Scheduled
from schemas.sealing import Sealer
from schemas.topics import intake_partition
from store.schedule import Schedule
from tests.integration.recorder.rig import INDEX, PARTITIONS, Rig, now_ms

SEALER = Sealer({1: b"k" * 32}, b"123456")
COUNT = 3_000


class Mute(Publisher):
    """Takes everything and publishes nothing: a process that dies before it comes to it."""

    def __init__(self) -> None:
        self.taken = 0

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def publish(
        self, topic: str, partition: int, entries: Sequence[Entry], done: Done, *, lasting: bool = False
    ) -> None:
        self.taken += len(entries)

    @property
    def backlog_bytes(self) -> int:
        return 0

    def waiting_s(self) -> float:
        return 0.0


def queues(rig: Rig) -> list[TopicPartition]:
    return [TopicPartition(rig.topics.mt("alpha", 0), number) for number in range(PARTITIONS)]


def made(rig: Rig, publisher: Publisher, name: str) -> tuple[Scheduler, Schedule]:
    schedule = Schedule(rig.dsn)
    releasing = Releasing(lambda: rig.book, rig.topics, SEALER, INDEX, Facts())
    evidence = Evidence(publisher, rig.topics)
    reader = KafkaReader(rig.bootstrap, name)
    return Scheduler(
        schedule, releasing, evidence, publisher, reader, rig.topics, lambda: queues(rig), SystemClock()
    ), schedule  # fmt: skip


@asynccontextmanager
async def running(rig: Rig, name: str) -> AsyncIterator[Scheduler]:
    publisher = KafkaPublisher(rig.bootstrap, name)
    await publisher.start()
    scheduler, _ = made(rig, publisher, name)
    task = asyncio.create_task(scheduler.run())
    try:
        yield scheduler
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await scheduler.stop()
        await publisher.stop()


async def scheduled(rig: Rig, count: int, due_ms: int) -> list[MtMessage]:
    """Messages for `due_ms`, in `intake`."""
    found: list[MtMessage] = []
    by_part: dict[int, list[Any]] = {}
    for number in range(count):
        message = rig.message(number, not_before_ms=due_ms)
        sealed = SEALER.seal(message.id, f"86138{number:08d}", "Acme", "later")
        message = rig.message(number, id=message.id, sealed=sealed, not_before_ms=due_ms)
        found.append(message)
        by_part.setdefault(intake_partition(message.id), []).append(Scheduled(message))
    for part, records in by_part.items():
        await rig.put(rig.topics.intake, part, *records)
    return found


async def published(rig: Rig) -> list[MtMessage]:
    """Everything in the lane's queues."""
    reader = KafkaReader(rig.bootstrap, "look")
    await reader.start(dict.fromkeys(queues(rig), 0))
    found = []
    try:
        while records := await reader.poll(1.0, 10_000):
            found += [decode_mt(record.value or b"") for some in records.values() for record in some]
    finally:
        await reader.stop()
    return found


async def test_two_schedulers_release_each_message_once(rig: Rig) -> None:
    async with rig.recorder(), running(rig, "s1"), running(rig, "s2"):
        messages = await scheduled(rig, COUNT, now_ms() + 3_000)
        await rig.until("select count(*) from messages where status = 20", COUNT, timeout_s=40)
        await rig.until("select count(*) from releases", 0, timeout_s=20)
    found = await published(rig)
    assert Counter(message.id for message in found) == Counter(message.id for message in messages)
    assert {(message.attempt, message.hop) for message in found} == {(1, 1)}
    assert await rig.value("select count(*) from due_messages") == 0


async def test_what_was_fixed_and_not_published_is_published_once_by_the_heir(rig: Rig) -> None:
    mute = Mute()
    async with rig.recorder():
        messages = await scheduled(rig, 50, now_ms() - 1_000)
        await rig.until("select count(*) from due_messages", 50)
        dying, session = made(rig, mute, "dying")
        task = asyncio.create_task(dying.run())
        await rig.until("select count(*) from releases where not acked", 50)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert mute.taken == 50
        await session.close()  # as the server closes it when the process is gone
        async with running(rig, "heir"):
            await rig.until("select count(*) from messages where status = 20", 50, timeout_s=30)
            await rig.until("select count(*) from releases", 0)
    assert Counter(message.id for message in await published(rig)) == Counter(message.id for message in messages)


async def test_what_was_published_before_the_death_is_not_published_again(rig: Rig) -> None:
    publisher = KafkaPublisher(rig.bootstrap, "dying")
    await publisher.start()
    async with rig.recorder():
        await scheduled(rig, 50, now_ms() - 1_000)
        await rig.until("select count(*) from due_messages", 50)
        dying, session = made(rig, publisher, "dying")
        task = asyncio.create_task(dying.run())
        # It dies after Kafka has them, before Postgres hears of it.
        dying._flush_acknowledged = _nothing  # type: ignore[method-assign]
        await rig.until("select count(*) from messages where status = 20", 50, timeout_s=30)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await session.close()
        assert await rig.value("select count(*) from releases where not acked") == 50
        async with running(rig, "heir"):
            await rig.until("select count(*) from releases", 0, timeout_s=30)
    await publisher.stop()
    assert len(await published(rig)) == 50


async def _nothing() -> None:
    """Postgres does not hear of it."""
