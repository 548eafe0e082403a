"""Reading a small topic whole, for commands: `carrier-status`, `dead-letters`. Bounded in time and in records."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiokafka.errors as kafka_errors

from bus.kafka_reader import KafkaReader
from bus.ports import StoredRecord, TopicPartition
from bus.topics import existing_partitions
from runtime.errors import ConfigError, UnavailableError
from runtime.settings import Settings

PATIENCE_S = 15.0
MOST_RECORDS = 100_000


class TopicReading:
    """Follows one single-partition topic from its beginning."""

    def __init__(self, reader: KafkaReader, place: TopicPartition, end: int, first: int) -> None:
        self._reader = reader
        self._place = place
        self._end = end
        self._next = first

    async def catch_up(self) -> list[StoredRecord]:
        """What stood in the topic when it was opened, as far as it was not read yet. Raises UnavailableError."""
        found: list[StoredRecord] = []
        try:
            async with asyncio.timeout(PATIENCE_S):
                while self._next < self._end and len(found) < MOST_RECORDS:
                    records = await self.news(0.2)
                    found += records
                    if not records:
                        # The end of a compacted log may be a gap that no record fills.
                        self._next = max(self._next, self._end - self._reader.lag().get(self._place, self._end))
        except TimeoutError:
            told = f"the topic {self._place.topic} could not be read in {PATIENCE_S:g} s"
            raise UnavailableError(told, "look at Kafka") from None
        return found

    async def news(self, timeout_s: float) -> list[StoredRecord]:
        """What came since, waited for at most `timeout_s`."""
        polled = await self._reader.poll(timeout_s, 10_000)
        records = list(polled.get(self._place, ()))
        if records:
            self._next = records[-1].offset + 1
        return records


@asynccontextmanager
async def reading(settings: Settings, topic: str) -> AsyncIterator[TopicReading]:
    """Opens a topic. Raises UnavailableError without Kafka, ConfigError when there is no such topic."""
    if topic not in await existing_partitions(settings.kafka_bootstrap):
        raise ConfigError(f"the Kafka topic {topic} is not there", "run `smpp-dispatch topics`")
    place = TopicPartition(topic, 0)
    reader = KafkaReader(settings.kafka_bootstrap, f"cli-{os.getpid()}")
    try:
        async with asyncio.timeout(PATIENCE_S):
            await reader.start({place: 0})
            first = (await reader.begins([place]))[place]
            end = (await reader.ends([place]))[place]
        reader.seek(place, first)
        yield TopicReading(reader, place, end, first)
    except (TimeoutError, kafka_errors.KafkaError) as fault:
        told = f"the topic {topic} can't be read from Kafka at {settings.kafka_bootstrap}"
        raise UnavailableError(f"{told} ({type(fault).__name__})", "look at Kafka, and try again") from None
    finally:
        await reader.stop()


async def read_topic(settings: Settings, topic: str) -> list[StoredRecord]:
    """All records of a topic as it is now, oldest first. Raises as `reading` does."""
    async with reading(settings, topic) as opened:
        return await opened.catch_up()
