"""Creating and checking topics, and the empty ledgers that a dispatcher must find (DESIGN §5, rule 14)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import aiokafka.errors as kafka_errors
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetFetchRequest

from bus.ports import Commit, TopicPartition
from runtime.errors import ConfigError, UnavailableError
from schemas.topics import TopicSpec

NO_GENERATION = -1


def unreachable(bootstrap: str, fault: object) -> UnavailableError:
    """The one line for a Kafka that does not answer."""
    return UnavailableError(
        f"Kafka is not reachable at {bootstrap} ({fault})", "start it, or set SMPPD_KAFKA_BOOTSTRAP to where it is"
    )


async def create_topics(bootstrap: str, specs: Sequence[TopicSpec], replication: int) -> list[str]:
    """Creates what is missing, in order; gives the names created.

    Raises ConfigError when a topic exists with other partitions (they are for ever), UnavailableError without Kafka.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
    except kafka_errors.KafkaError as fault:
        await admin.close()
        raise unreachable(bootstrap, fault) from None
    try:
        existing = await _partitions(admin)
        check_partitions(specs, existing)
        missing = [spec for spec in specs if spec.name not in existing]
        for group in (missing[:1], missing[1:]):
            if group:
                await _create(admin, group, replication)
        await _wait_for(admin, specs)
        return [spec.name for spec in missing]
    finally:
        await admin.close()


def check_partitions(specs: Iterable[TopicSpec], existing: Mapping[str, int]) -> None:
    """Raises ConfigError for a topic that is there with another number of partitions than it must have."""
    for spec in specs:
        found = existing.get(spec.name)
        if found is not None and found != spec.partitions:
            raise ConfigError(
                f"the Kafka topic {spec.name} has {found} partitions, it needs {spec.partitions}",
                "set `partitions` back to what the carrier was created with, or use another SMPPD_TOPIC_PREFIX",
            )


async def require_topics(bootstrap: str, specs: Sequence[TopicSpec]) -> None:
    """What a role asks before it starts. Raises ConfigError when a topic is not there or has other partitions, and
    UnavailableError without Kafka."""
    existing = await existing_partitions(bootstrap)
    check_partitions(specs, existing)
    missing = [spec.name for spec in specs if spec.name not in existing]
    if missing:
        raise ConfigError(
            f"the Kafka topic {missing[0]} is not there ({len(missing)} missing)",
            "run `smpp-dispatch topics`, with this carriers.toml and SMPPD_TOPIC_PREFIX",
        )


async def existing_partitions(bootstrap: str) -> dict[str, int]:
    """Name → number of partitions of every topic. Raises UnavailableError."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5000)
    try:
        await admin.start()
        return await _partitions(admin)
    except kafka_errors.KafkaError as fault:
        raise unreachable(bootstrap, fault) from None
    finally:
        await admin.close()


async def _partitions(admin: Any) -> dict[str, int]:
    names = [name for name in await admin.list_topics() if not name.startswith("__")]
    if not names:
        return {}
    return {entry["topic"]: len(entry["partitions"]) for entry in await admin.describe_topics(names)}


def topic_config(spec: TopicSpec, replication: int) -> dict[str, str]:
    """The settings that a topic of ours must have, besides partitions and replicas."""
    return {
        "cleanup.policy": "compact" if spec.compacted else "delete",
        "retention.ms": str(spec.retention_ms),
        "min.insync.replicas": str(min(2, replication)),
        "unclean.leader.election.enable": "false",
        # The timestamp is the producer's: age of a message, not of a copy of it.
        "message.timestamp.type": "CreateTime",
    }


async def _create(admin: Any, specs: Sequence[TopicSpec], replication: int) -> None:
    topics = [
        NewTopic(
            name=spec.name,
            num_partitions=spec.partitions,
            replication_factor=replication,
            topic_configs=topic_config(spec, replication),
        )
        for spec in specs
    ]
    response = await admin.create_topics(topics)
    for topic, code, *rest in response.topic_errors:
        error = kafka_errors.for_code(code)
        if error not in (kafka_errors.NoError, kafka_errors.TopicAlreadyExistsError):
            raise UnavailableError(
                f"Kafka would not create the topic {topic}", f"{error.__name__} {rest[0] if rest else ''}"
            )


async def _wait_for(admin: Any, specs: Sequence[TopicSpec]) -> None:
    wanted = {spec.name for spec in specs}
    async with asyncio.timeout(30):
        while not wanted <= set(await _partitions(admin)):
            await asyncio.sleep(0.1)


class GroupOffsets:
    """Reading and writing a group's committed offsets from outside, while it has no members."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._client = AIOKafkaClient(bootstrap_servers=bootstrap)

    async def __aenter__(self) -> GroupOffsets:
        try:
            await self._client.bootstrap()
        except kafka_errors.KafkaError as fault:
            await self.__aexit__()
            raise unreachable(self._bootstrap, fault) from None
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def committed(self, group: str) -> dict[TopicPartition, Commit]:
        """Raises UnavailableError when Kafka does not say."""
        try:
            async with asyncio.timeout(30):
                response = await self._fetched(group)
        except TimeoutError:
            raise UnavailableError(f"Kafka does not tell the offsets of the group {group}", "look at its log") from None
        return {
            TopicPartition(topic, partition): Commit(offset, metadata)
            for topic, partitions in response.topics
            for partition, offset, metadata, _ in partitions
            if offset >= 0
        }

    async def _fetched(self, group: str) -> Any:
        # Not the admin client's list_consumer_group_offsets: it takes the answer of a coordinator that is still loading,
        # which names no offsets, for a group without any (aiokafka 0.14), and a ledger must never pass for missing.
        request = OffsetFetchRequest(group, None)
        while True:
            node = await self._coordinator(group)
            response = await self._client.send(node, request, group=ConnectionGroup.COORDINATION)
            codes = {response.error_code, *(entry[3] for _, entries in response.topics for entry in entries)} - {0}
            if not codes:
                return response
            if not codes <= {14, 15, 16}:  # loading, not available, elsewhere
                names = ", ".join(kafka_errors.for_code(code).__name__ for code in codes)
                raise UnavailableError(f"Kafka does not tell the offsets of the group {group}", names)
            await asyncio.sleep(0.2)

    async def commit(self, group: str, commits: Mapping[TopicPartition, Commit]) -> None:
        """Raises UnavailableError when the group has members or Kafka refuses otherwise."""
        topics: dict[str, list[tuple[int, int, str]]] = {}
        for tp, commit in commits.items():
            topics.setdefault(tp.topic, []).append((tp.partition, commit.offset, commit.metadata))
        request = OffsetCommitRequest(group, NO_GENERATION, "", -1, list(topics.items()))
        async with asyncio.timeout(30):
            while True:
                node = await self._coordinator(group)
                response = await self._client.send(node, request, group=ConnectionGroup.COORDINATION)
                codes = {code for _, partitions in response.topics for _, code in partitions} - {0}
                if not codes:
                    return
                if codes & {14, 15, 16}:  # loading, not available, elsewhere
                    await asyncio.sleep(0.2)
                    continue
                names = ", ".join(kafka_errors.for_code(code).__name__ for code in codes)
                raise UnavailableError(f"Kafka refused to commit offsets of the group {group}", names)

    async def _coordinator(self, group: str) -> Any:
        while True:
            try:
                node = await self._client.coordinator_lookup(CoordinationType.GROUP, group)
                if await self._client.ready(node, group=ConnectionGroup.COORDINATION):
                    return node
            except kafka_errors.KafkaError as fault:
                if not fault.retriable:
                    raise
            await asyncio.sleep(0.2)
