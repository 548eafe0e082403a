"""Reading given partitions from given offsets: an AIOKafkaConsumer without a group, one for each lane or role, so that
no lane's unread records hold back another's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import aiokafka.errors as kafka_errors
from aiokafka import AIOKafkaConsumer

from bus.ports import ReadError, StoredRecord, TopicPartition


class KafkaReader:
    """See bus.ports.Reader. `fetch_bytes`: most that one poll of a partition brings; bounds the memory of read-ahead."""

    def __init__(self, bootstrap: str, client_id: str, *, fetch_bytes: int = 262_144, fetch_wait_ms: int = 250) -> None:
        self._options: dict[str, Any] = {
            "bootstrap_servers": bootstrap,
            "client_id": client_id,
            "enable_auto_commit": False,
            "auto_offset_reset": "none",
            "max_partition_fetch_bytes": fetch_bytes,
            "fetch_max_bytes": fetch_bytes * 16,
            "fetch_max_wait_ms": fetch_wait_ms,
            "check_crcs": False,  # TCP and the broker check; 0.3 µs a record
            "request_timeout_ms": 10_000,
            "retry_backoff_ms": 50,
            "metadata_max_age_ms": 60_000,
        }
        self._consumer: Any = None

    async def start(self, positions: Mapping[TopicPartition, int]) -> None:
        consumer = self._consumer = AIOKafkaConsumer(**self._options)
        await consumer.start()
        self._assign(positions)

    def _assign(self, positions: Mapping[TopicPartition, int]) -> None:
        self._consumer.assign([kafka_tp(tp) for tp in positions])
        for tp, offset in positions.items():
            self._consumer.seek(kafka_tp(tp), offset)

    async def stop(self) -> None:
        if self._consumer is not None:
            await self._consumer.stop()
            self._consumer = None

    async def poll(self, timeout_s: float, most: int) -> Mapping[TopicPartition, Sequence[StoredRecord]]:
        try:
            found: Mapping[TopicPartition, Sequence[StoredRecord]] = await self._consumer.getmany(
                timeout_ms=round(timeout_s * 1000), max_records=most
            )
        except (kafka_errors.OffsetOutOfRangeError, kafka_errors.NoOffsetForPartitionError) as fault:
            raise ReadError(str(fault)) from None
        return found

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        self._consumer.pause(*map(kafka_tp, partitions))

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        self._consumer.resume(*map(kafka_tp, partitions))

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._consumer.seek(kafka_tp(partition), offset)

    async def ends(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        found: Mapping[TopicPartition, int] = await self._consumer.end_offsets([kafka_tp(tp) for tp in partitions])
        return found

    async def begins(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        found: Mapping[TopicPartition, int] = await self._consumer.beginning_offsets(
            [kafka_tp(tp) for tp in partitions]
        )
        return found

    def lag(self) -> Mapping[TopicPartition, int]:
        behind = {}
        for tp in self._consumer.assignment():
            state = self._consumer._subscription.subscription.assignment.state_value(tp)
            if state.highwater is not None and state.has_valid_position:
                behind[TopicPartition(*tp)] = max(0, state.highwater - state.position)
        return behind


def kafka_tp(tp: TopicPartition) -> Any:
    """aiokafka checks the type of what it hashes."""
    from aiokafka import TopicPartition as KafkaTopicPartition

    return KafkaTopicPartition(tp.topic, tp.partition)
