"""Reading given partitions from given offsets, without a group: a reader's place in what a Fetcher brings."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from aiokafka.record.memory_records import MemoryRecords

from bus.fetching import BEGIN, END, Fetcher, Queue
from bus.ports import ReadError, StoredRecord, TopicPartition


class QueueReader:
    """See bus.ports.Reader. Those that share a fetcher read other partitions each, in their own place and pace, and one
    request brings for all."""

    def __init__(self, fetcher: Fetcher) -> None:
        self.queues: dict[TopicPartition, Queue] = {}
        self._fetcher = fetcher
        self._came = asyncio.Event()

    async def start(self, positions: Mapping[TopicPartition, int]) -> None:
        tps = [TopicPartition(*tp) for tp in positions]
        self.queues = {tp: Queue(tp, positions[tp]) for tp in tps}
        await self._fetcher.attach(self)

    async def stop(self) -> None:
        await self._fetcher.detach(self)

    def came(self) -> None:
        """See bus.fetching.Reading."""
        self._came.set()

    async def poll(self, timeout_s: float, most: int) -> Mapping[TopicPartition, Sequence[StoredRecord]]:
        self._came.clear()
        found = self._hand_out(most)
        if found:
            return found
        try:
            async with asyncio.timeout(timeout_s):
                await self._came.wait()
        except TimeoutError:
            return {}
        return self._hand_out(most)

    def _hand_out(self, most: int) -> dict[TopicPartition, Sequence[StoredRecord]]:
        found: dict[TopicPartition, Sequence[StoredRecord]] = {}
        ready = [queue for queue in self.queues.values() if queue.ready]
        for queue in ready:
            if queue.fault:
                raise ReadError(queue.fault)
            if records := _taken(queue, most):
                found[queue.tp] = records
                most -= len(records)
            # To the end of the line, so that those that a poll has no room for come first in the next.
            self.queues[queue.tp] = self.queues.pop(queue.tp)
            if not most:
                break
        if ready:
            self._fetcher.wake()
        return found

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        for tp in partitions:
            self.queues[tp].paused = True

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        resumed = [self.queues[tp] for tp in partitions]
        for queue in resumed:
            queue.paused = False
        if any(queue.ready for queue in resumed):
            self._came.set()
        if resumed:
            self._fetcher.wake()

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.queues[partition].move(offset)
        self._fetcher.wake()

    async def ends(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        return await self._fetcher.bounds(partitions, END)

    async def begins(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        return await self._fetcher.bounds(partitions, BEGIN)

    def lag(self) -> Mapping[TopicPartition, int]:
        return {tp: max(0, queue.high - queue.position) for tp, queue in self.queues.items() if queue.high is not None}


class KafkaReader(QueueReader):
    """With a fetcher of its own. `fetch_bytes`, `fetch_wait_ms`, `gather_ms`: as of bus.fetching.Fetcher."""

    def __init__(
        self,
        bootstrap: str,
        client_id: str,
        *,
        fetch_bytes: int = 262_144,
        fetch_wait_ms: int = 250,
        gather_ms: int = 15,
    ) -> None:
        super().__init__(
            Fetcher(bootstrap, client_id, fetch_bytes=fetch_bytes, wait_ms=fetch_wait_ms, gather_s=gather_ms / 1000)
        )


def _taken(queue: Queue, most: int) -> list[StoredRecord]:
    """At most so many of what was fetched, in order."""
    records = queue.records
    if queue.chunk:
        records, queue.chunk = decoded(queue.chunk, queue.position), b""
    taken, queue.records = (records, []) if len(records) <= most else (records[:most], records[most:])
    # The end of a chunk may have been compacted away.
    queue.position = queue.records[0].offset if queue.records else queue.fetched
    return taken


def decoded(chunk: bytes, position: int) -> list[StoredRecord]:
    """Its records from `position` on: a fetch brings whole batches, also the one that a position is in the middle of."""
    found: list[StoredRecord] = []
    batches = MemoryRecords(chunk)
    while (batch := batches.next_batch()) is not None:
        if not batch.is_control_batch:
            found += batch
    first = next((at for at, record in enumerate(found) if record.offset >= position), len(found))
    return found[first:] if first else found
