"""Publishing in batches: what was queued since the last flush leaves as one Kafka batch a partition.

Per record it costs an append to a list here and one to Kafka's batch builder; futures, awaits and callbacks are per flush.
The producer is idempotent: within one producer nothing is lost or doubled over broker restarts. A producer that is fatally
broken is replaced, and so is one that gave a batch up: the batch took its sequence numbers along, and the broker refuses all that
follow the gap. `lasting` entries are then published again and may stand twice, which their readers bear.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import aiokafka.errors as kafka_errors

from bus import broken_writes, produce_protocol
from bus.connecting import connection_options
from bus.ports import Done, Entry, PublishError, TopicPartition
from bus.producing import Batch, Producer, fault_of
from bus.returning import Returning
from runtime.logs import logger
from runtime.metrics import PUBLISH_SECONDS, PUBLISH_WAITING, PUBLISHED

broken_writes.mend()
produce_protocol.use()
log = logger("bus.publisher")
BATCH_BYTES: Final = 128 * 1024
"""No larger than what readers fetch of a partition at a time: a batch comes whole or, beside others, not at all."""
ROUNDS_UNDER_WAY: Final = 2


class _Call:
    """One `publish`: done when all its pieces are."""

    __slots__ = ("done", "entries", "fault", "lasting", "pieces", "since", "size", "tp")

    def __init__(self, tp: TopicPartition, entries: Sequence[Entry], done: Done, lasting: bool, since: float) -> None:
        self.tp = tp
        self.entries = entries
        self.done = done
        self.lasting = lasting
        self.since = since
        self.size = sum([len(value or b"") for _, value in entries]) + 40 * len(entries)
        self.pieces = 0
        self.fault: Exception | None = None


class _Piece(NamedTuple):
    """A batch, and the calls that have entries in it."""

    tp: TopicPartition
    batch: Batch
    carried: list[_Call]


class _Sent(NamedTuple):
    """A batch on its way: its future, or that of a flight with others. `taken`: it has its sequence numbers."""

    piece: _Piece
    future: asyncio.Future[Any]
    taken: bool
    flies: bool

    @property
    def fault(self) -> Exception | None:
        """Once it is done."""
        fault = fault_of(self.future)
        return self.future.result()[self.piece.tp] if self.flies and fault is None else fault


class KafkaPublisher:
    """See bus.ports.Publisher. `every_s`: least time between two flushes. After a pause the first entry leaves at once; in a
    stream they gather, since a flush costs as much for a partition with one record as for one with dozens. `returning_s`:
    one flush at a time is under way, and the next waits so long for callers who were just answered (bus.returning)."""

    def __init__(self, bootstrap: str, client_id: str, *, every_s: float = 0.0, returning_s: float = 0.0) -> None:
        self._options: dict[str, Any] = {
            **connection_options(bootstrap, client_id),
            "max_batch_size": BATCH_BYTES,
            "max_request_size": 8 * 1024 * 1024,
        }
        self._every_s = every_s
        self._producer: Any = None
        self._queue: dict[TopicPartition, list[_Call]] = {}
        self._wake = asyncio.Event()
        self._returning = Returning(returning_s)
        self._all_there = asyncio.Event()
        self._room = asyncio.Semaphore(1 if returning_s else ROUNDS_UNDER_WAY)
        # One round at a time hands its batches over, and none while what failed waits for its turn: that keeps the order.
        self._order = asyncio.Lock()
        self._rounds: set[asyncio.Task[None]] = set()
        self._flusher: asyncio.Task[None] | None = None
        self._oldest: deque[_Call] = deque()
        self._bytes = 0
        self._stopping = False

    async def start(self) -> None:
        self._producer = await self._new_producer()
        self._flusher = asyncio.create_task(self._flush_forever())
        PUBLISH_WAITING.set_function(self.waiting_s)

    async def _new_producer(self) -> Any:
        producer = Producer(**self._options)
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return producer

    async def stop(self) -> None:
        self._stopping = True
        if self._flusher is not None:
            self._flusher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._flusher
        if self._rounds:
            await asyncio.wait(self._rounds)
        if self._producer is not None:
            await self._round()
            await self._producer.stop()

    def publish(
        self, topic: str, partition: int, entries: Sequence[Entry], done: Done, *, lasting: bool = False
    ) -> None:
        if not entries:
            asyncio.get_running_loop().call_soon(done, None)
            return
        tp = TopicPartition(topic, partition)
        call = _Call(tp, entries, done, lasting, time.monotonic())
        waiting = self._queue.get(tp)
        if waiting is None:
            self._queue[tp] = [call]
        else:
            waiting.append(call)
        self._bytes += call.size
        self._oldest.append(call)
        if self._returning.came(len(entries)):
            self._all_there.set()
        self._wake.set()

    @property
    def backlog_bytes(self) -> int:
        return self._bytes

    def waiting_s(self) -> float:
        return time.monotonic() - self._oldest[0].since if self._oldest else 0.0

    async def _flush_forever(self) -> None:
        begun = -self._every_s
        while True:
            await self._wake.wait()
            await self._room.acquire()
            # At the least one turn of the loop: whatever else is ready publishes into this flush.
            await asyncio.sleep(max(0.0, begun + self._every_s - time.monotonic()))
            await self._until_all_are_there()
            begun = time.monotonic()
            self._wake.clear()
            task = asyncio.create_task(self._round())
            self._rounds.add(task)
            task.add_done_callback(self._round_over)

    async def _until_all_are_there(self) -> None:
        self._all_there.clear()
        if wait_s := self._returning.wait_s(time.monotonic()):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._all_there.wait()

    def _round_over(self, task: asyncio.Task[None]) -> None:
        self._rounds.discard(task)
        self._room.release()
        if not task.cancelled() and task.exception() is not None:
            log.error("flush_failed", fault=repr(task.exception()))

    async def _round(self) -> None:
        started = time.monotonic()
        async with self._order:
            queue, self._queue = self._queue, {}
            left = self._returning.left()
            producer = self._producer
            sent = await self._hand_over(queue)
        if not sent:
            return
        await asyncio.wait({batch.future for batch in sent})
        ended = time.monotonic()
        self._returning.answered(left, ended)
        PUBLISH_SECONDS.observe(ended - started)
        again = self._settle(sent)
        gap = any(batch.taken and batch.fault is not None for batch in sent)
        if again or gap:
            self._queue_again(again)
            async with self._order:
                await self._mend(producer, gap)
            self._wake.set()

    async def _hand_over(self, queue: dict[TopicPartition, list[_Call]]) -> list[_Sent]:
        now_ms = int(time.time() * 1000)
        pieces = [piece for tp, calls in queue.items() for piece in self._pieces(tp, calls, now_ms)]
        if len(pieces) == len(queue):
            flight = await self._producer.launch({piece.tp: piece.batch for piece in pieces})
            if flight is not None:
                return [_Sent(piece, flight, taken=True, flies=True) for piece in pieces]
        return [await self._sent(piece) for piece in pieces]

    async def _sent(self, piece: _Piece) -> _Sent:
        taken = True
        try:
            future = await self._producer.send_batch(piece.batch, piece.tp.topic, partition=piece.tp.partition)
        except Exception as fault:
            # Also what is no KafkaError, as for a partition that is not there: its callers must hear of it.
            future = asyncio.get_running_loop().create_future()
            future.set_exception(fault)
            taken = False
        return _Sent(piece, future, taken, flies=False)

    def _pieces(self, tp: TopicPartition, calls: list[_Call], now_ms: int) -> list[_Piece]:
        """The calls of one partition, in order, as closed batches with the calls that have entries in each."""
        out: list[_Piece] = []
        batch, carried = self._producer.create_batch(), []
        for call in calls:
            call.pieces += 1
            carried.append(call)
            taken = batch.take(call.entries, 0, now_ms)
            while taken < len(call.entries):
                batch.close()
                out.append(_Piece(tp, batch, carried))
                batch, carried = self._producer.create_batch(), [call]
                call.pieces += 1
                taken = batch.take(call.entries, taken, now_ms)
        batch.close()
        out.append(_Piece(tp, batch, carried))
        return out

    def _settle(self, sent: list[_Sent]) -> list[_Call]:
        """Tells each call what became of it; gives those that must be published again."""
        again: list[_Call] = []
        for batch in sent:
            fault = batch.fault
            PUBLISHED.inc(0 if fault else batch.piece.batch.record_count())
            for call in batch.piece.carried:
                call.pieces -= 1
                call.fault = call.fault or fault
                if call.pieces:
                    continue
                if call.fault is not None and call.lasting and not self._stopping:
                    again.append(call)
                else:
                    self._over(call)
        return again

    def _over(self, call: _Call) -> None:
        self._bytes -= call.size
        call.size, call.entries = 0, ()
        while self._oldest and self._oldest[0].size == 0:
            self._oldest.popleft()
        call.done(None if call.fault is None else PublishError(str(call.fault)))

    def _queue_again(self, calls: list[_Call]) -> None:
        if calls:
            log.warning("publishing_again", calls=len(calls), fault=str(calls[0].fault))
        for call in calls:
            call.fault, call.pieces = None, 0
            self._queue.setdefault(call.tp, []).append(call)
        # Before what was queued meanwhile, also when two rounds failed: the order of a partition is kept.
        for tp in {call.tp for call in calls}:
            self._queue[tp].sort(key=lambda call: call.since)

    async def _mend(self, producer: Any, gap: bool) -> None:
        """Replaces the producer of a round that failed, unless another round has done so already."""
        await asyncio.sleep(0.2)
        if self._producer is not producer or self._stopping or not (gap or producer._sender.sender_task.done()):
            return
        self._producer = await self._reconnected()
        if self._producer is not producer:
            log.warning("producer_replaced")
            with contextlib.suppress(Exception):
                await producer.stop()

    async def _reconnected(self) -> Any:
        while True:
            try:
                return await self._new_producer()
            except kafka_errors.KafkaError as fault:
                log.warning("producer_not_replaced_yet", fault=str(fault))
                if self._stopping:
                    return self._producer
                await asyncio.sleep(0.5)
