"""A real Kafka with topics of its own, a real database with the schema, and recorders over both."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from bus.kafka_publisher import KafkaPublisher
from bus.ports import TopicPartition
from bus.topics import create_topics
from migrations.runner import migrate
from recorder.assembly import Works
from recorder.process import RecorderProcess
from runtime.health import Health
from runtime.settings import Settings
from schemas import ids
from schemas.carriers import CarrierBook
from schemas.codec import encode
from schemas.records import MtMessage, Receipt, Record, SubmitOutcome
from schemas.sealing import BlindIndex, check_of
from schemas.topics import Topics
from smpp.states import MessageState
from store.pool import raw_ids

PARTITIONS = 3
INDEX = BlindIndex(b"i" * 32)
BOOK = CarrierBook.model_validate(
    {
        "carriers": {
            name: {"host": "h", "port": 1, "system_id": "s", "tps": 10, "partitions": PARTITIONS}
            for name in ("alpha", "beta")
        }
    }
)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Rig:
    """See the module. `carriers` and `partitions` are few, so that topics are made fast."""

    def __init__(self, bootstrap: str, prefix: str, dsn: str, book: CarrierBook = BOOK) -> None:
        self.bootstrap = bootstrap
        self.prefix = prefix
        self.dsn = dsn
        self.book = book
        self.topics = Topics(prefix)
        self.publisher = KafkaPublisher(bootstrap, "test")
        self._db: Any = None
        self._smsc_id = int.from_bytes(os.urandom(4), "big")

    async def start(self) -> None:
        await migrate(self.dsn)
        await self.make_topics()
        await self.publisher.start()

    async def make_topics(self) -> None:
        partitions = [(name, carrier.partitions) for name, carrier in self.book.carriers.items()]
        await create_topics(self.bootstrap, self.topics.all(partitions), 1)

    async def stop(self) -> None:
        await self.publisher.stop()
        if self._db is not None:
            await self._db.close()

    async def query(self, text: str, *args: Any) -> list[Any]:
        if self._db is None or self._db.is_closed():
            self._db = await asyncpg.connect(self.dsn)
            await raw_ids(self._db)
        found: list[Any] = await self._db.fetch(text, *args)
        return found

    async def value(self, text: str, *args: Any) -> Any:
        rows = await self.query(text, *args)
        return rows[0][0] if rows else None

    async def until(self, text: str, wanted: Any, *args: Any, timeout_s: float = 15.0) -> None:
        """Waits until the first value of a query is the one wanted."""
        found = None
        try:
            async with asyncio.timeout(timeout_s):
                while (found := await self.value(text, *args)) != wanted:
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{text}: {found!r}, not {wanted!r}") from None

    def settings(self, instance: str, **changes: Any) -> Settings:
        values = {
            "kafka_bootstrap": self.bootstrap,
            "topic_prefix": self.prefix,
            "postgres_dsn": self.dsn,
            "instance_id": instance,
            "recorder_batch_ms": 30,
            **changes,
        }
        return Settings(**values)

    @asynccontextmanager
    async def recorder(self, instance: str = "r1", **changes: Any) -> AsyncIterator[RecorderProcess]:
        process = RecorderProcess(self.settings(instance, **changes), lambda: self.book, Health())
        task = asyncio.create_task(process.run())
        try:
            yield process
            if task.done():
                task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def put(self, topic: str, part: int, *records: Record | bytes, key: bytes | None = None) -> None:
        """Publishes, and waits for the acknowledgement."""
        values = [record if isinstance(record, bytes) else encode(record) for record in records]
        await self.put_values(topic, part, values, key)

    async def put_values(self, topic: str, part: int, values: Sequence[bytes], key: bytes | None = None) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def acked(fault: Exception | None) -> None:
            if fault is None:
                done.set_result(None)
            else:
                done.set_exception(fault)

        self.publisher.publish(topic, part, [(key, value) for value in values], acked)
        await done

    async def put_logs(self, logs: Mapping[TopicPartition, Sequence[Any]]) -> None:
        for tp, records in logs.items():
            for record in records:
                await self.put_values(tp.topic, tp.partition, [record.value], record.key)

    def message(self, number: int = 0, carrier: str = "alpha", **changes: Any) -> MtMessage:
        at, digits = now_ms(), f"86138{number:08d}"
        id = ids.random_ids(at, os.urandom(10))[0]
        message = MtMessage(
            id, "shop", 0, carrier, b"sealed", INDEX.of_account("shop", digits), at, at + 300_000, 1, 0, 0, 3, 32_000,
            "USD", f"o-{number}",
        )  # fmt: skip
        return msgspec.structs.replace(message, **changes)

    def outcome(self, message: MtMessage, parts: int = 1, number: int = 0, **changes: Any) -> SubmitOutcome:
        at, smsc_ids = now_ms(), []
        for _ in range(parts):
            self._smsc_id += 1
            smsc_ids.append(format(self._smsc_id, "x"))
        outcome = SubmitOutcome(
            message.id, message.cls, number, at, 0, message.attempt, message.hop, at - 1, "", 0, tuple(smsc_ids), None,
            check_of(INDEX.of(f"86138{number:08d}")),
        )  # fmt: skip
        return msgspec.structs.replace(outcome, **changes)

    def receipt(self, smsc_id: str, number: int = 0, state: int = MessageState.DELIVRD, **changes: Any) -> Receipt:
        service = INDEX.of(f"86138{number:08d}")
        receipt = Receipt(now_ms(), 0, smsc_id, (smsc_id,), int(state), "", 0, service, check_of(service))
        return msgspec.structs.replace(receipt, **changes)


@asynccontextmanager
async def rig_over(bootstrap: str, prefix: str, dsn: str, book: CarrierBook = BOOK) -> AsyncIterator[Rig]:
    rig = Rig(bootstrap, prefix, dsn, book)
    await rig.start()
    try:
        yield rig
    finally:
        await rig.stop()


async def eventually(what: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Waits until it holds."""
    async with asyncio.timeout(timeout_s):
        while not what():
            await asyncio.sleep(0.02)


async def working(process: RecorderProcess) -> Works:
    """The works of a recorder, once it knows its topics."""
    await eventually(lambda: process.works is not None)
    assert process.works is not None
    return process.works
