"""`backend`: each test runs against the in-memory twin and against a real Kafka."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest

from bus.assignor import Claim
from bus.ports import Publisher, Reader, TopicPartition
from tests.contract.bus.backends import Backend, Joined, KafkaBackend, MemoryBackend, until


def on_kafka(request: pytest.FixtureRequest, *, shared: bool = False) -> KafkaBackend:
    bootstrap, prefix = request.getfixturevalue("kafka_bootstrap"), request.getfixturevalue("topic_prefix")
    return KafkaBackend(bootstrap, prefix, shared=shared)


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.servers)])
def backend(request: pytest.FixtureRequest) -> Backend:
    """See the module's docstring."""
    if request.param == "memory":
        return MemoryBackend()
    return on_kafka(request)


@pytest.fixture
def kafka(kafka_bootstrap: str, topic_prefix: str) -> KafkaBackend:
    """Kafka only: for what the twin does not have."""
    return KafkaBackend(kafka_bootstrap, topic_prefix)


@pytest.fixture
async def publisher(backend: Backend) -> AsyncIterator[Publisher]:
    """Started, stopped after the test."""
    made = backend.publisher()
    await made.start()
    yield made
    await made.stop()


MakeReader = Callable[[dict[TopicPartition, int]], Awaitable[Reader]]


@pytest.fixture
async def make_reader(backend: Backend) -> AsyncIterator[MakeReader]:
    """A reader from these positions."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(positions: dict[TopicPartition, int]) -> Reader:
            reader = backend.reader()
            stack.push_async_callback(reader.stop)
            await reader.start(positions)
            return reader

        yield make


class Group:
    """Members of one group over one topic of six partitions."""

    def __init__(self, backend: Any, topic: str, name: str) -> None:
        self.backend = backend
        self.topic = topic
        self.name = name
        self.members: list[Joined] = []

    async def join(self, instance: str, units: int = 3, config: str = "c") -> Joined:
        """Returns at once; see `settled`."""
        joined: Joined = self.backend.member(self.name, [self.topic], Claim(instance, config, units))
        self.members.append(joined)
        await joined.member.start()
        return joined

    async def settled(self, *members: Joined, units: int = 3) -> None:
        """Waits until these, and only these, share `units` out in one generation, fairly."""

        def shared() -> bool:
            if not all(joined.listener.takes for joined in members):
                return False
            owned = sorted(unit for joined in members for unit in joined.listener.owned)
            sizes = [len(joined.listener.owned) for joined in members]
            one = len({joined.take.generation for joined in members}) == 1
            return one and owned == list(range(units)) and max(sizes) - min(sizes) <= 1

        await until(shared)

    @property
    def tp(self) -> TopicPartition:
        return TopicPartition(self.topic, 0)


@pytest.fixture
async def group(backend: Backend) -> AsyncIterator[Group]:
    """Members that join here leave after the test."""
    made = Group(backend, await backend.create("mt", 6), "group")
    yield made
    for joined in made.members:
        await joined.stop()


@pytest.fixture
async def kafka_group(kafka: KafkaBackend) -> AsyncIterator[Group]:
    """As `group`, on Kafka only."""
    made = Group(kafka, await kafka.create("mt", 6), "group")
    yield made
    for joined in made.members:
        await joined.stop()


__all__: Sequence[str] = ()
