"""aiokafka's producer, with a shorter way for a flush that meets nothing in its way: a request for each broker, and one answer.

aiokafka carries each batch by itself: two futures, a shield and four turns of the event loop for every partition of a flush.
Connections, metadata, the producer's id and its sequence numbers are aiokafka's here too; and whenever something is not as it
should be - no answer, a refusal, a connection that ended - the batches go to its accumulator as repeats of themselves, and what
aiokafka makes of them counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import aiokafka.errors as kafka_errors
from aiokafka import AIOKafkaProducer
from aiokafka.client import ConnectionGroup
from aiokafka.conn import CloseReason
from aiokafka.producer import sender as aiokafka_sender
from aiokafka.producer.message_accumulator import BatchBuilder, MessageBatch

from bus.ports import Entry, TopicPartition

Faults = dict[TopicPartition, Exception | None]
"""What became of each batch; None: it is in the log."""
_IS_THERE: Final = frozenset({0, kafka_errors.DuplicateSequenceNumber.errno})
"""The broker's answer for a batch that it has: now, or since an earlier attempt."""
_ALL_REPLICAS: Final = -1


class Batch(BatchBuilder):  # type: ignore[misc]  # aiokafka is not typed
    """Records of one partition."""

    _relative_offset: int

    def take(self, entries: Sequence[Entry], first: int, at_ms: int) -> int:
        """Appends entries from index `first` on, written at `at_ms` (Unix milliseconds); gives the index of the first that
        finds no room. An empty batch has room for any."""
        append, number = self._builder.append, self._relative_offset - first
        headers: list[Any] = []
        for at in range(first, len(entries)):
            key, value = entries[at]
            if append(number + at, at_ms, key, value, headers) is None:
                self._relative_offset = number + at
                return at
        self._relative_offset = number + len(entries)
        return len(entries)


class _Flight(NamedTuple):
    """What goes to one broker."""

    node: int
    connection: Any
    batches: dict[TopicPartition, Batch]


class Producer(AIOKafkaProducer):  # type: ignore[misc]  # aiokafka is not typed
    """Idempotent, acks=all. `launch` beside `send_batch`; both keep the order of a partition."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, acks="all", enable_idempotence=True, linger_ms=0)
        # A future each, done when its broker has answered or has not: then aiokafka may send there again.
        self._in_the_air: set[asyncio.Future[None]] = set()

    def create_batch(self) -> Batch:
        return Batch(self._message_accumulator._batch_size, 0)

    async def launch(self, batches: Mapping[TopicPartition, Batch]) -> asyncio.Future[Faults] | None:
        """Sends closed batches, one a partition, once earlier flights have landed. None when they can't go this way now:
        nothing was done with them. The result never raises."""
        while self._in_the_air:
            await asyncio.wait(self._in_the_air)
        flights = self._planned(batches)
        if flights is None:
            return None
        tasks = [self._launched(flight) for flight in flights]
        return tasks[0] if len(tasks) == 1 else asyncio.ensure_future(_together(tasks))

    async def stop(self) -> None:
        """As aiokafka's, which does not know of flights."""
        while self._in_the_air:
            await asyncio.wait(self._in_the_air)
        await super().stop()

    def _planned(self, batches: Mapping[TopicPartition, Batch]) -> list[_Flight] | None:
        """By broker; None when one is not known, has no connection, or has not answered aiokafka yet."""
        waiting, sender = self._message_accumulator, self._sender
        if waiting._batches or self._fault() is not None or not self._txn_manager.has_pid():
            return None
        if not sender._muted_partitions.isdisjoint(batches):
            return None
        flights: dict[int, _Flight] = {}
        for tp, batch in batches.items():
            node = self.client.cluster.leader_for_partition(tp)
            flight = flights.get(node)
            if flight is None:
                connection = self.client._conns.get((node, ConnectionGroup.DEFAULT))
                if connection is None or not connection.connected() or node in sender._in_flight:
                    return None
                flight = flights[node] = _Flight(node, connection, {})
            flight.batches[tp] = batch
        return list(flights.values())

    def _fault(self) -> Exception | None:
        """Why aiokafka sends nothing more."""
        waiting, task = self._message_accumulator, self._sender.sender_task
        if waiting._exception is not None:
            return waiting._exception  # type: ignore[no-any-return]
        return kafka_errors.ProducerClosed() if waiting._closed or task is None or task.done() else None

    def _launched(self, flight: _Flight) -> asyncio.Task[Faults]:
        numbers, loop = self._txn_manager, asyncio.get_running_loop()
        for tp, batch in flight.batches.items():
            batch._set_producer_state(numbers.producer_id, numbers.producer_epoch, numbers.sequence_number(tp))
            numbers.increment_sequence_number(tp, batch.record_count())
        # What comes meanwhile by `send_batch` waits in the accumulator, as it does for requests of aiokafka's own.
        self._sender._in_flight.add(flight.node)
        self._sender._muted_partitions.update(flight.batches)
        landed: asyncio.Future[None] = loop.create_future()
        self._in_the_air.add(landed)
        return loop.create_task(self._fly(flight, landed))

    async def _fly(self, flight: _Flight, landed: asyncio.Future[None]) -> Faults:
        found: Faults = dict.fromkeys(flight.batches)
        repeats: list[Any] = []
        try:
            if open_ := await self._answered(flight):
                found.update(dict.fromkeys(open_, await self._pause()))
                repeats = [self._repeat(tp, flight.batches[tp]) for tp in open_ if found[tp] is None]
        finally:
            self._sender._in_flight.discard(flight.node)
            self._sender._muted_partitions.difference_update(flight.batches)
            self._in_the_air.discard(landed)
            landed.set_result(None)
            self._wake()
        for repeat in repeats:
            await asyncio.wait([repeat.future])
            found[repeat.tp] = fault_of(repeat.future)
        return found

    async def _answered(self, flight: _Flight) -> list[TopicPartition]:
        """Sends; the partitions whose batch is not known to be there."""
        open_ = dict(flight.batches)
        try:
            answer = await flight.connection.send(_request(flight.batches, self._request_timeout_ms))
        except TimeoutError:
            # As aiokafka does: its late answer would be taken for the next request's.
            flight.connection.close(reason=CloseReason.CONNECTION_TIMEOUT)
        except kafka_errors.KafkaError as fault:
            self._doubt(fault)
        else:
            for topic, partitions in answer.topics:
                for number, code, *_ in partitions:
                    if code in _IS_THERE:
                        open_.pop(TopicPartition(topic, number), None)
                    else:
                        self._doubt(kafka_errors.for_code(code))
        return list(open_)

    def _doubt(self, fault: Any) -> None:
        if getattr(fault, "invalid_metadata", False):
            self.client.force_metadata_update()

    async def _pause(self) -> Exception | None:
        """As long as aiokafka waits before it repeats; gives why it sends no more, if it does not."""
        await asyncio.sleep(self._sender._retry_backoff)
        await self.client._maybe_wait_metadata()
        return self._fault()

    def _repeat(self, tp: TopicPartition, batch: Batch) -> Any:
        """In aiokafka's accumulator, before all that came since."""
        waiting = self._message_accumulator
        repeat = MessageBatch(tp, batch, waiting._batch_ttl, 0)
        repeat._retry_count = 1  # it has its numbers
        repeat.future.add_done_callback(lambda _: waiting._pending_batches.discard(repeat))
        waiting._batches[tp].appendleft(repeat)
        return repeat

    def _wake(self) -> None:
        """aiokafka's sender looks again at what is in the accumulator."""
        waiting = self._message_accumulator
        if waiting._batches and not waiting._waiter_future.done():
            waiting._waiter_future.set_result(None)


def _request(batches: Mapping[TopicPartition, Batch], timeout_ms: int) -> Any:
    topics: dict[str, list[tuple[int, Any]]] = {}
    for tp, batch in batches.items():
        topics.setdefault(tp.topic, []).append((tp.partition, batch._build()))
    return aiokafka_sender.ProduceRequest(
        transactional_id=None, required_acks=_ALL_REPLICAS, timeout=timeout_ms, topics=list(topics.items())
    )


def fault_of(future: asyncio.Future[Any]) -> Exception | None:
    """What a batch's future that is done tells; None: all is well."""
    fault = kafka_errors.KafkaError("given up") if future.cancelled() else future.exception()
    return fault if fault is None or isinstance(fault, Exception) else kafka_errors.KafkaError(repr(fault))


async def _together(tasks: Sequence[asyncio.Task[Faults]]) -> Faults:
    return {tp: fault for faults in await asyncio.gather(*tasks) for tp, fault in faults.items()}
