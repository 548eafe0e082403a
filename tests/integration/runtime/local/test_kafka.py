"""A real Kafka of its own: starts, answers, survives a kill -9 with its data, and leaves nothing behind."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from runtime.errors import UnavailableError
from runtime.local import kafka as kafka_module
from runtime.local import kafka_jars as jars_module
from runtime.local.checks import http_ready, kafka_ready
from runtime.local.kafka import KafkaServer
from runtime.local.places import KAFKA_CACHE
from runtime.local.ports import free_port


def server(home: Path) -> KafkaServer:
    return KafkaServer(home / "kafka", home / "kafka.log", KAFKA_CACHE, os.environ)


async def write(bootstrap: str, topic: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True)
    await producer.start()
    try:
        await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def read(bootstrap: str, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        return [bytes((await consumer.getone()).value) for _ in range(count)]
    finally:
        await consumer.stop()


async def test_data_outlives_a_kill_and_a_stop_and_another_server_object(server_home: Path) -> None:
    kafka = server(server_home)
    await kafka.start()
    try:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
        await admin.start()
        await admin.create_topics([NewTopic("t", 1, 1)])
        await admin.close()
        await write(kafka.bootstrap, "t", b"before")
        killed = kafka.pid
        await kafka.kill()
        assert kafka.pid is None
        began = time.monotonic()
        await kafka.start()
        # A single node waits for its own old session (broker.session.timeout.ms), then starts.
        assert time.monotonic() - began < 20
        assert kafka.pid != killed
        await write(kafka.bootstrap, "t", b"after the kill")
        assert await kafka.stop() is True
        again = server(server_home)
        assert again.bootstrap != kafka.bootstrap
        kafka = again
        await kafka.start()
        assert await read(kafka.bootstrap, "t", 2) == [b"before", b"after the kill"]
    finally:
        await kafka.stop()


async def test_a_directory_in_use_is_refused_with_the_holder_named(
    server_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.local.server.LOCK_TIMEOUT_S", 0.1)
    first, second = server(server_home), server(server_home)
    await first.prepare()
    try:
        with pytest.raises(UnavailableError, match=f"in use by process {os.getpid()}: a `make run`"):
            await second.prepare()
    finally:
        first.close()


async def test_the_broker_runs_with_the_settings_that_the_design_asks_for(kafka_bootstrap: str) -> None:
    if os.environ.get("SMPPD_KAFKA_BOOTSTRAP"):
        pytest.skip("that Kafka is not ours")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    try:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.BROKER, "1")])
    finally:
        await admin.close()
    settings = {entry[0]: entry[1] for entry in answer.resources[0][4]}
    wanted = {
        "auto.create.topics.enable": "false",
        "broker.session.timeout.ms": "3000",
        "group.coordinator.append.linger.ms": "0",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        "offset.metadata.max.bytes": "4096",
        "offsets.retention.minutes": str(30 * 24 * 60),
    }
    assert {name: settings[name] for name in wanted} == wanted


async def test_what_is_not_kafka_is_not_taken_for_ready(postgres_server_dsn: str) -> None:
    port = int(postgres_server_dsn.rsplit(":", 1)[1].split("/", maxsplit=1)[0])
    assert await kafka_ready(port)() is not None
    assert await http_ready(port)() is not None
    assert "Connect call failed" in str(await kafka_ready(free_port())())


@pytest.mark.parametrize(
    ("content", "flag"),
    [(None, "ArchiveClassesAtExit"), (bytes(64), "ArchiveClassesAtExit"), (b"\xa8\xab\x0b\xf0", "SharedArchiveFile")],
)
def test_a_class_data_archive_is_used_when_whole_and_else_written_anew(
    tmp_path: Path, content: bytes | None, flag: str
) -> None:
    archive = tmp_path / "a.jsa"
    if content is not None:
        archive.write_bytes(content)
    assert kafka_module._archive_flags(archive) == [f"-XX:{flag}={archive}"]


def test_jars_that_are_not_the_locked_ones_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars" / "kafka.jar").write_bytes(b"what it should be")
    monkeypatch.setattr(jars_module, "SOURCE", tmp_path)
    (tmp_path / "jars.sha256").write_text(jars_module._sums(tmp_path / "jars"))
    jars_module._verify(tmp_path / "jars")
    (tmp_path / "jars" / "kafka.jar").write_bytes(b"something else")
    with pytest.raises(UnavailableError, match=r"not the ones of deploy/kafka/jars.sha256 \(kafka.jar\)"):
        jars_module._verify(tmp_path / "jars")


async def test_without_java_the_remedy_is_told(server_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.local.java.JVM_ROOT", server_home)
    monkeypatch.setattr("runtime.local.java.find_java.__defaults__", (server_home,))
    kafka = KafkaServer(server_home / "kafka", server_home / "log", KAFKA_CACHE, {"PATH": "/nonexistent"})
    with pytest.raises(UnavailableError, match=r"needs Java 17 or newer.*SMPPD_KAFKA_BOOTSTRAP"):
        await kafka.start()
