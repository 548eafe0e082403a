"""What a Kafka cluster is like, as facts: for `doctor`, which judges them. Reads only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import aiokafka.errors as kafka_errors
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.admin import ApiVersionRequest

from bus.ports import Commit, TopicPartition
from bus.topics import unreachable

PATIENCE_S: Final = 20.0
AGAIN_S: Final = 0.2
# Requests that a release brought first; brokers don't tell their version otherwise.
_FIRST_WITH: Final = ((88, "4.1"), (78, "4.0"), (68, "3.7"), (61, "3.0"))
OLDEST: Final = "older than 3.0"


class TopicFacts(NamedTuple):
    """`replicas` and `in_sync`: the fewest of any partition. `config`: all settings, as text."""

    partitions: int
    replicas: int
    in_sync: int
    config: Mapping[str, str]


class ClusterFacts(NamedTuple):
    """`version`: the release that the cluster is at least. `config`: of the first broker."""

    answered_ms: float
    brokers: int
    version: str
    config: Mapping[str, str]
    topics: Mapping[str, TopicFacts]
    commits: Mapping[str, Mapping[TopicPartition, Commit]]
    """Committed offsets by group."""
    members: Mapping[str, int]
    """Live members by group."""


async def inspect(bootstrap: str, topics: Sequence[str], groups: Sequence[str]) -> ClusterFacts:
    """Facts of the cluster, of those of `topics` that are there, and of `groups`. Raises UnavailableError."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5000)
    started = time.monotonic()
    try:
        async with asyncio.timeout(PATIENCE_S):
            await admin.start()
            answered_ms = (time.monotonic() - started) * 1000
            return await _inspect(admin, bootstrap, topics, groups, answered_ms)
    except (kafka_errors.KafkaError, TimeoutError, OSError) as fault:
        raise unreachable(bootstrap, fault or "no answer in time") from None
    finally:
        await admin.close()


async def _inspect(
    admin: Any, bootstrap: str, topics: Sequence[str], groups: Sequence[str], answered_ms: float
) -> ClusterFacts:
    cluster = await admin.describe_cluster()
    there = set(await admin.list_topics())
    wanted = [name for name in topics if name in there]
    described = await admin.describe_topics(wanted) if wanted else []
    broker = ConfigResource(ConfigResourceType.BROKER, str(cluster["brokers"][0]["node_id"]))
    configs = await _configs(admin, [broker, *(ConfigResource(ConfigResourceType.TOPIC, name) for name in wanted)])
    return ClusterFacts(
        answered_ms,
        len(cluster["brokers"]),
        await _version(bootstrap),
        configs.get(broker.name, {}),
        {entry["topic"]: _topic(entry, configs.get(entry["topic"], {})) for entry in described},
        {group: await _commits(admin, group) for group in groups},
        await _members(admin, groups),
    )


def _topic(entry: Mapping[str, Any], config: Mapping[str, str]) -> TopicFacts:
    partitions = entry["partitions"]
    replicas = min((len(each["replicas"]) for each in partitions), default=0)
    in_sync = min((len(each["isr"]) for each in partitions), default=0)
    return TopicFacts(len(partitions), replicas, in_sync, config)


async def _configs(admin: Any, resources: Sequence[ConfigResource]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(list(resources)):
        for code, _, _, name, entries in response.resources:
            if not code:
                found[name] = {entry[0]: entry[1] for entry in entries if entry[1] is not None}
    return found


async def _commits(admin: Any, group: str) -> dict[TopicPartition, Commit]:
    found = await _patiently(lambda: admin.list_consumer_group_offsets(group))
    return {
        TopicPartition(tp.topic, tp.partition): Commit(commit.offset, commit.metadata)
        for tp, commit in found.items()
        if commit.offset >= 0
    }


async def _members(admin: Any, groups: Sequence[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    # One at a time: aiokafka 0.14 misreads an answer that holds several groups.
    for group in groups:
        for response in await _patiently(partial(admin.describe_consumer_groups, [group])):
            for told in response.to_object()["groups"]:
                counts[group] = len(told["members"])
    return counts


async def _patiently(question: Callable[[], Awaitable[Any]]) -> Any:
    """Asks again while there is no coordinator: a new cluster makes __consumer_offsets when first asked."""
    while True:
        try:
            return await question()
        except kafka_errors.KafkaError as fault:
            if not fault.retriable:
                raise
        await asyncio.sleep(AGAIN_S)


async def _version(bootstrap: str) -> str:
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    try:
        await client.bootstrap()
        node = client.get_random_node()
        if not await client.ready(node):
            return OLDEST
        response = await client.send(node, ApiVersionRequest())
    finally:
        await client.close()
    known = {entry[0] for entry in response.api_versions}
    return next((version for key, version in _FIRST_WITH if key in known), OLDEST)
