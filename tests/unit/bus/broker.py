"""A broker's logs as an idempotent producer meets them (KIP-98), in memory: a batch whose numbers follow is appended, one that
is there is known for a repeat, one behind a gap is refused. What else becomes of a request the test decides."""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from enum import Enum
from types import SimpleNamespace
from typing import Any

import aiokafka.errors as kafka_errors
from aiokafka.client import ConnectionGroup
from aiokafka.record.default_records import DefaultRecordBatch

from bus.ports import TopicPartition
from bus.produce_protocol import ProduceAnswer
from bus.producing import Producer

_NUMBERS = struct.Struct(">qhi")
_NUMBERS_AT = 43


class Fate(Enum):
    """Of a request."""

    ANSWERED = "answered"
    NEVER_CAME = "never came"
    ANSWER_LOST = "answer lost"
    NO_ANSWER = "no answer in time"
    LATE = "appended, no answer in time"


class Broker:
    """`requests`: the partitions of each, in its order; `fates`: of the next ones, then all are answered; `codes`: what the next
    request with a batch of a partition says instead of appending it; `gate`: while it is clear no request is looked at."""

    def __init__(self) -> None:
        self.logs: dict[TopicPartition, list[bytes]] = {}
        self.requests: list[list[int]] = []
        self.fates: deque[Fate] = deque()
        self.codes: dict[int, deque[int]] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self._next: dict[tuple[int, TopicPartition], int] = {}

    async def produce(self, request: Any) -> ProduceAnswer:
        await self.gate.wait()
        fate = self.fates.popleft() if self.fates else Fate.ANSWERED
        self.requests.append([number for _, batches in request._topics for number, _ in batches])
        if fate is Fate.NEVER_CAME:
            raise kafka_errors.KafkaConnectionError("gone before it came")
        if fate is Fate.NO_ANSWER:
            raise TimeoutError
        told = ProduceAnswer(
            [
                (
                    topic,
                    [(number, self._code(TopicPartition(topic, number), data), 0, -1, 0) for number, data in batches],
                )
                for topic, batches in request._topics
            ]
        )
        if fate is Fate.ANSWER_LOST:
            raise kafka_errors.KafkaConnectionError("gone after it came")
        if fate is Fate.LATE:
            raise TimeoutError
        return told

    def _code(self, tp: TopicPartition, data: bytes) -> int:
        if self.codes.get(tp.partition):
            return self.codes[tp.partition].popleft()
        producer, _, first = _NUMBERS.unpack_from(data, _NUMBERS_AT)
        values = [bytes(record.value) for record in DefaultRecordBatch(bytes(data))]
        wanted = self._next.get((producer, tp), 0)
        if first < wanted:
            return int(kafka_errors.DuplicateSequenceNumber.errno)
        if first > wanted:
            return int(kafka_errors.OutOfOrderSequenceNumber.errno)
        self._next[producer, tp] = first + len(values)
        self.logs.setdefault(tp, []).extend(values)
        return 0


class Line:
    """A connection to it, as aiokafka's."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.open = True

    def connected(self) -> bool:
        return self.open

    def close(self, reason: Any = None) -> None:
        self.open = False

    async def send(self, request: Any) -> ProduceAnswer:
        return await self.broker.produce(request)


class Rig:
    """Producers of ours that have started, on brokers of this module; `leaders`: the broker of each partition of topic t."""

    def __init__(self, *leaders: int) -> None:
        self.brokers = {number: Broker() for number in set(leaders)}
        self.leaders = leaders
        self.made: list[Producer] = []

    def producer(self) -> Producer:
        producer = Producer(bootstrap_servers="nowhere:1", retry_backoff_ms=1, max_batch_size=300)
        client, sender = producer.client, producer._sender
        producer._txn_manager.set_pid_and_epoch(len(self.made), 0)
        client.cluster._partitions = {
            "t": {number: SimpleNamespace(leader=leader) for number, leader in enumerate(self.leaders)}
        }
        for number, broker in self.brokers.items():
            client._conns[number, ConnectionGroup.DEFAULT] = Line(broker)
        client.send = lambda node, request, **_: self._send(client, node, request)
        client.force_metadata_update = _no_news
        client.close = _closed
        sender._sender_task = asyncio.get_running_loop().create_task(sender._sender_routine())
        sender._sender_task.add_done_callback(sender._fail_all)
        self.made.append(producer)
        return producer

    async def _send(self, client: Any, node: int, request: Any) -> ProduceAnswer:
        """aiokafka's own way, which connects anew."""
        client._conns[node, ConnectionGroup.DEFAULT] = Line(self.brokers[node])
        try:
            return await self.brokers[node].produce(request)
        except TimeoutError:
            raise kafka_errors.RequestTimedOutError from None


def _no_news() -> asyncio.Future[None]:
    told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    told.set_result(None)
    return told


async def _closed() -> None:
    """There is no socket."""
