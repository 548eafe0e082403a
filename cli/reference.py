"""The `reference` topic for commands: read whole, write and wait; and any other topic to write to.

Works without Postgres and without a running role."""

from __future__ import annotations

import asyncio
import getpass
import os
from collections.abc import Mapping, Sequence
from typing import Final

from api.act_shapes import LEAST_REASON, MOST_REASON
from api.reference import ReferenceBook
from bus.kafka_publisher import KafkaPublisher
from bus.kafka_reader import KafkaReader
from bus.ports import Entry, TopicPartition
from bus.snapshot import Snapshot
from bus.topics import existing_partitions
from runtime.clock import SystemClock
from runtime.errors import ConfigError, UnavailableError
from runtime.settings import Settings
from schemas.records import Act
from schemas.topics import Topics

PATIENCE_S: Final = 15.0


def act_of(reason: str) -> Act:
    """Who runs this command, why and when: what every reference record carries. Raises ConfigError for a reason that the
    HTTP API would not take either."""
    reason = reason.strip()
    if not LEAST_REASON <= len(reason) <= MOST_REASON or not reason.isprintable():
        told = f"write {LEAST_REASON} to {MOST_REASON} characters that can be printed, for the audit log"
        raise ConfigError("--reason is wrong", told)
    try:
        actor = getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as in many containers
        actor = f"uid {os.getuid()}"
    return Act(actor, reason, SystemClock.wall_ms())


async def read_reference(settings: Settings) -> ReferenceBook:
    """Everything that the topic says now. Raises UnavailableError, ConfigError when there is no such topic."""
    topic = Topics(settings.topic_prefix).reference
    if topic not in await existing_partitions(settings.kafka_bootstrap):
        raise ConfigError(f"the Kafka topic {topic} is not there", "run `smpp-dispatch topics`")
    book = ReferenceBook()
    snapshot = Snapshot(KafkaReader(settings.kafka_bootstrap, f"cli-{os.getpid()}"), topic, book.apply)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await snapshot.start()
    except TimeoutError:
        raise UnavailableError(f"the topic {topic} could not be read in {PATIENCE_S:g} s", "look at Kafka") from None
    finally:
        await snapshot.stop()
    return book


async def write_reference(settings: Settings, entries: Sequence[Entry]) -> None:
    """Returns when Kafka has them. Raises UnavailableError: they may be there all the same."""
    await publish(settings, {TopicPartition(Topics(settings.topic_prefix).reference, 0): entries})


async def publish(settings: Settings, queues: Mapping[TopicPartition, Sequence[Entry]]) -> None:
    """As `write_reference`, to any topics."""
    publisher = KafkaPublisher(settings.kafka_bootstrap, f"cli-{os.getpid()}")
    await publisher.start()
    loop = asyncio.get_running_loop()
    written: list[asyncio.Future[Exception | None]] = []
    for tp, entries in queues.items():
        written.append(loop.create_future())
        publisher.publish(tp.topic, tp.partition, entries, written[-1].set_result)
    fault: Exception | None
    try:
        async with asyncio.timeout(PATIENCE_S):
            fault = next((fault for fault in await asyncio.gather(*written) if fault is not None), None)
    except TimeoutError:
        fault = TimeoutError(f"no acknowledgement in {PATIENCE_S:g} s")
    finally:
        await publisher.stop()
    if fault is not None:
        raise UnavailableError(f"Kafka did not confirm ({fault})", "look whether it took effect, and try again")
