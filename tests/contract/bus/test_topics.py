"""Topics and the offsets of groups, on a real Kafka."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from bus.ports import Commit, TopicPartition
from bus.retention import delete_before, offsets_at
from bus.topics import GroupOffsets, create_topics, existing_partitions
from runtime.errors import ConfigError, UnavailableError
from runtime.local.ports import free_port
from schemas.topics import RETENTION_MS, Topics, TopicSpec
from tests.contract.bus.backends import KafkaBackend, publish
from tests.contract.bus.conftest import Group


def spec(name: str, partitions: int, **options: Any) -> TopicSpec:
    return TopicSpec(name, partitions, "tests", (), (), **options)


async def test_topics_are_created_once_with_what_they_must_have(kafka: KafkaBackend) -> None:
    specs = Topics(kafka.prefix).all([("alpha", 3)])
    assert await create_topics(kafka.bootstrap, specs, 1) == [one.name for one in specs]
    assert await create_topics(kafka.bootstrap, specs, 1) == []
    found = await existing_partitions(kafka.bootstrap)
    assert {one.name: found[one.name] for one in specs} == {one.name: one.partitions for one in specs}
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, one.name) for one in specs])
    finally:
        await admin.close()
    settings = {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for answer in answers
        for resource in answer.resources
    }
    for one in specs:
        assert settings[one.name]["cleanup.policy"] == ("compact" if one.compacted else "delete")
        assert settings[one.name]["retention.ms"] == str(one.retention_ms)
        assert settings[one.name]["unclean.leader.election.enable"] == "false"
        assert settings[one.name]["message.timestamp.type"] == "CreateTime"
    assert {one.retention_ms for one in specs} == {-1, RETENTION_MS}


async def test_what_is_missing_is_added_and_what_is_there_stays(kafka: KafkaBackend) -> None:
    a, b = spec(kafka.name("a"), 2), spec(kafka.name("b"), 1)
    assert await create_topics(kafka.bootstrap, [b], 1) == [b.name]
    assert await create_topics(kafka.bootstrap, [a, b], 1) == [a.name]


async def test_other_partitions_are_refused_with_a_remedy_and_nothing_is_created(kafka: KafkaBackend) -> None:
    await create_topics(kafka.bootstrap, [spec(kafka.name("a"), 2)], 1)
    wanted = [spec(kafka.name("new"), 1), spec(kafka.name("a"), 3)]
    with pytest.raises(ConfigError, match=r"a has 2 partitions, it needs 3: set `partitions` back"):
        await create_topics(kafka.bootstrap, wanted, 1)
    assert kafka.name("new") not in await existing_partitions(kafka.bootstrap)


async def test_two_that_create_the_same_topics_at_once(kafka: KafkaBackend) -> None:
    specs = [spec(kafka.name(f"t{number}"), 2) for number in range(5)]
    await asyncio.gather(*(create_topics(kafka.bootstrap, specs, 1) for _ in range(2)))
    found = await existing_partitions(kafka.bootstrap)
    assert all(found[one.name] == 2 for one in specs)


async def test_more_replicas_than_brokers_is_told_in_a_line(kafka: KafkaBackend) -> None:
    with pytest.raises(UnavailableError, match=r"Kafka would not create the topic .*a: InvalidReplicationFactor"):
        await create_topics(kafka.bootstrap, [spec(kafka.name("a"), 1)], 3)


async def test_a_kafka_that_is_not_there_is_told_in_a_line() -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    tp = TopicPartition("t", 0)
    for attempt in (
        create_topics(nowhere, [spec("t", 1)], 1),
        existing_partitions(nowhere),
        _offsets(nowhere),
        offsets_at(nowhere, [tp], 0),
        delete_before(nowhere, {tp: 1}),
    ):
        with pytest.raises(UnavailableError, match=f"Kafka is not reachable at {nowhere} .*SMPPD_KAFKA_BOOTSTRAP"):
            await attempt


async def _offsets(bootstrap: str) -> None:
    async with GroupOffsets(bootstrap):
        pass


async def test_offsets_of_a_group_without_members_are_read_and_written(kafka: KafkaBackend) -> None:
    topic, group = await kafka.create("mt", 3), kafka.name("group")
    async with GroupOffsets(kafka.bootstrap) as offsets:
        assert await offsets.committed(group) == {}
        first = {TopicPartition(topic, number): Commit(number, f"m{number}") for number in range(2)}
        await offsets.commit(group, first)
        assert await offsets.committed(group) == first
        await offsets.commit(group, {TopicPartition(topic, 1): Commit(9, "")})
        assert (await offsets.committed(group))[TopicPartition(topic, 1)] == Commit(9, "")
        assert await offsets.committed(kafka.name("another")) == {}


async def test_offsets_of_a_group_at_work_are_not_written_over(kafka_group: Group, kafka: KafkaBackend) -> None:
    one = await kafka_group.join("a")
    await kafka_group.settled(one)
    await one.member.commit(one.take, {kafka_group.tp: Commit(3, "its own")}, 5)
    async with GroupOffsets(kafka.bootstrap) as offsets:
        with pytest.raises(UnavailableError, match="Kafka refused to commit offsets of the group"):
            await offsets.commit(kafka.name("group"), {kafka_group.tp: Commit(0, "ours")})
        assert await offsets.committed(kafka.name("group")) == {kafka_group.tp: Commit(3, "its own")}


async def test_records_are_found_by_time_and_deleted_up_to_an_offset(kafka: KafkaBackend) -> None:
    tp = TopicPartition(await kafka.create("mt", 2), 0)
    empty = TopicPartition(tp.topic, 1)
    publisher = kafka.publisher()
    await publisher.start()
    try:
        await publish(publisher, tp.topic, 0, [(None, b"old")] * 3)
        await asyncio.sleep(0.05)
        at_ms = time.time_ns() // 1_000_000
        await publish(publisher, tp.topic, 0, [(None, b"new")] * 2)
    finally:
        await publisher.stop()
    assert await offsets_at(kafka.bootstrap, [tp, empty], at_ms) == {tp: 3, empty: 0}
    assert await offsets_at(kafka.bootstrap, [tp], 0) == {tp: 0}
    assert await offsets_at(kafka.bootstrap, [tp], at_ms + 60_000) == {tp: 5}
    await delete_before(kafka.bootstrap, {tp: 3})
    reader = kafka.reader()
    await reader.start({tp: 3})
    assert dict(await reader.begins([tp])) == {tp: 3}
    await reader.stop()
