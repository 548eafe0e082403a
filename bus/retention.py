"""Deleting what Kafka need not keep any longer: the topics that are never dropped by age (`mt.*`, DESIGN §3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aiokafka.errors as kafka_errors
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaTopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from bus.ports import TopicPartition
from bus.topics import unreachable


async def offsets_at(bootstrap: str, partitions: Sequence[TopicPartition], at_ms: int) -> dict[TopicPartition, int]:
    """The first offset of each partition that was written at `at_ms` (Unix milliseconds) or later; the end when none was.

    Raises UnavailableError.
    """
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    try:
        await consumer.start()
        wanted = [KafkaTopicPartition(*tp) for tp in partitions]
        found = await consumer.offsets_for_times(dict.fromkeys(wanted, at_ms))
        ends = await consumer.end_offsets(wanted)
        return {
            TopicPartition(tp.topic, tp.partition): found[tp].offset if found.get(tp) is not None else ends[tp]
            for tp in wanted
        }
    except kafka_errors.KafkaError as fault:
        raise unreachable(bootstrap, fault) from None
    finally:
        await consumer.stop()


async def delete_before(bootstrap: str, offsets: Mapping[TopicPartition, int]) -> None:
    """Deletes all records before these offsets. Raises UnavailableError."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        await admin.delete_records(
            {KafkaTopicPartition(*tp): RecordsToDelete(offset) for tp, offset in offsets.items()}
        )
    except kafka_errors.KafkaError as fault:
        raise unreachable(bootstrap, fault) from None
    finally:
        await admin.close()
