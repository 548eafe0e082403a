"""Reading given partitions from given offsets: an AIOKafkaConsumer without a group, one for each lane or role, so that
no lane's unread records hold back another's."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import aiokafka.errors as kafka_errors
from aiokafka import AIOKafkaConsumer

from bus import broken_writes, dropped_fetches
from bus.ports import ReadError, StoredRecord, TopicPartition

broken_writes.mend()
dropped_fetches.mend()
GATHER_BYTES: Final = 256 * 1024
_FEW: Final = 8
"""Records of a fetch that was not worth waiting for."""
_QUICK_S: Final = 0.01
_QUICK_FETCHES: Final = 4


class Gait:
    """How long a fetch waits for more. While records come one by one each is fetched at once; while they stream, a fetch
    gathers for a moment: each costs the broker and us as much as dozens of records, however little it brings."""

    def __init__(self) -> None:
        self.gathers = False
        self._last_s = 0.0
        self._quick = 0

    def found(self, records: int, now: float) -> None:
        """A poll brought so many records."""
        if self.gathers:
            self.gathers = records >= _FEW
            self._quick = 0
        else:
            self._quick = self._quick + 1 if now - self._last_s < _QUICK_S else 0
            self.gathers = self._quick >= _QUICK_FETCHES
        self._last_s = now


class KafkaReader:
    """See bus.ports.Reader. `fetch_bytes`: most that one poll of a partition brings; bounds the memory of read-ahead.
    `gather_ms`: how long a fetch waits for more while records stream."""

    def __init__(
        self,
        bootstrap: str,
        client_id: str,
        *,
        fetch_bytes: int = 262_144,
        fetch_wait_ms: int = 250,
        gather_ms: int = 15,
    ) -> None:
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
        self._waits = {False: (1, fetch_wait_ms), True: (GATHER_BYTES, gather_ms)}
        self._gait = Gait()

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
        if found:
            self._gait.found(sum(map(len, found.values())), time.monotonic())
        elif self._gait.gathers:
            self._gait.found(0, time.monotonic())
        # aiokafka takes these for each request anew; there is no public way to change them.
        fetcher = self._consumer._fetcher
        fetcher._fetch_min_bytes, fetcher._fetch_max_wait_ms = self._waits[self._gait.gathers]
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
