"""The two sides of the contract: `bus.memory` and a real Kafka, behind one set of makers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from bus.assignor import Claim
from bus.fetching import Fetcher
from bus.kafka_member import KafkaMember
from bus.kafka_publisher import KafkaPublisher
from bus.kafka_reader import KafkaReader, QueueReader
from bus.memory import MemoryCluster, MemoryMember, MemoryPublisher, MemoryReader
from bus.ports import Entry, Publisher, Reader, Take, TopicPartition
from bus.retention import delete_before
from bus.topics import create_topics
from schemas.topics import TopicSpec

SESSION_TIMEOUT_MS = 1000
"""The least that the local broker allows."""
PATIENCE_S = 15.0


class Listener:
    """A GroupListener that writes down what it is told."""

    def __init__(self) -> None:
        self.takes: list[tuple[Take, tuple[int, ...], int]] = []
        self.revoked_times = 0
        self.owned: tuple[int, ...] = ()
        self.in_force = 0

    async def revoked(self) -> None:
        self.revoked_times += 1

    def assigned(self, take: Take, units: Sequence[int], units_in_force: int) -> None:
        self.owned, self.in_force = tuple(units), units_in_force
        self.takes.append((take, self.owned, units_in_force))

    @property
    def take(self) -> Take:
        return self.takes[-1][0]


class Joined:
    """A member and its listener."""

    def __init__(self, member: Any, listener: Listener) -> None:
        self.member = member
        self.listener = listener
        self.stopped = False

    @property
    def take(self) -> Take:
        return self.listener.take

    async def stop(self, leave: bool = True) -> None:
        if not self.stopped:
            self.stopped = True
            await self.member.stop(leave)


class Backend(Protocol):
    """What a test needs of a broker. `name` is a topic's or group's; the backend puts its prefix before it."""

    is_kafka: bool

    def name(self, name: str) -> str: ...
    async def create(self, topic: str, partitions: int, compacted: bool = False) -> str: ...
    def publisher(self) -> Publisher: ...
    def reader(self) -> Reader: ...
    def member(self, group: str, topics: Sequence[str], claim: Claim) -> Joined: ...
    async def vanish(self, joined: Joined) -> None:
        """As kill -9: nobody is told."""

    async def delete_before(self, tp: TopicPartition, offset: int) -> None: ...


class MemoryBackend:
    """`bus.memory`."""

    is_kafka = False

    def __init__(self) -> None:
        self.cluster = MemoryCluster()

    def name(self, name: str) -> str:
        return name

    async def create(self, topic: str, partitions: int, compacted: bool = False) -> str:
        self.cluster.create(topic, partitions)
        return topic

    def publisher(self) -> Publisher:
        return MemoryPublisher(self.cluster)

    def reader(self) -> Reader:
        return MemoryReader(self.cluster)

    def member(self, group: str, topics: Sequence[str], claim: Claim) -> Joined:
        listener = Listener()
        return Joined(MemoryMember(self.cluster, group, claim, listener), listener)

    async def vanish(self, joined: Joined) -> None:
        joined.stopped = True
        joined.member.vanish()

    async def delete_before(self, tp: TopicPartition, offset: int) -> None:
        start = self.cluster.starts.get(tp, 0)
        del self.cluster.logs[tp][: offset - start]
        self.cluster.starts[tp] = offset


class KafkaBackend:
    """A real broker."""

    is_kafka = True

    def __init__(self, bootstrap: str, prefix: str, *, shared: bool = False) -> None:
        """`shared`: its readers share one fetcher, as the lanes of a process do."""
        self.bootstrap = bootstrap
        self.prefix = prefix
        self._fetcher = (
            Fetcher(bootstrap, "shared", fetch_bytes=262_144, wait_ms=50, gather_s=0.015) if shared else None
        )

    def name(self, name: str) -> str:
        return self.prefix + name

    async def create(self, topic: str, partitions: int, compacted: bool = False) -> str:
        name = self.name(topic)
        await create_topics(self.bootstrap, [TopicSpec(name, partitions, "tests", (), (), compacted=compacted)], 1)
        return name

    def publisher(self) -> Publisher:
        return KafkaPublisher(self.bootstrap, "contract")

    def reader(self) -> Reader:
        if self._fetcher is not None:
            return QueueReader(self._fetcher)
        return KafkaReader(self.bootstrap, "contract", fetch_wait_ms=50)

    def member(self, group: str, topics: Sequence[str], claim: Claim) -> Joined:
        listener = Listener()
        member = KafkaMember(
            self.bootstrap, self.name(group), topics, claim, listener, session_timeout_ms=SESSION_TIMEOUT_MS
        )
        return Joined(member, listener)

    async def vanish(self, joined: Joined) -> None:
        # A static member that only closes its connections looks to the broker as one that was killed.
        await joined.stop(leave=False)

    async def delete_before(self, tp: TopicPartition, offset: int) -> None:
        await delete_before(self.bootstrap, {tp: offset})


async def until(true: Callable[[], object], within_s: float = PATIENCE_S) -> None:
    """Waits for something that another connection brings. Raises TimeoutError."""
    deadline = time.monotonic() + within_s
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError
        await asyncio.sleep(0.01)


async def publish(publisher: Publisher, topic: str, partition: int, entries: Sequence[Entry], **options: bool) -> None:
    """Publishes and waits for the acknowledgement. Raises what it is told."""
    told: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def done(fault: Exception | None) -> None:
        assert not told.done(), "told twice"
        told.set_exception(fault) if fault else told.set_result(None)

    publisher.publish(topic, partition, entries, done, **options)
    async with asyncio.timeout(PATIENCE_S):
        await told


async def read_all(reader: Reader, count: int, most: int = 10_000) -> dict[TopicPartition, list[Any]]:
    """Polls until `count` records came."""
    found: dict[TopicPartition, list[Any]] = {}
    deadline = time.monotonic() + PATIENCE_S
    while sum(map(len, found.values())) < count:
        assert time.monotonic() < deadline, f"{sum(map(len, found.values()))} of {count} records"
        for tp, records in (await reader.poll(0.5, most)).items():
            found.setdefault(TopicPartition(*tp), []).extend(records)
    return found
