"""`smpp-dispatch recorder` as a process; recorders that meet on the same rows; what Kafka need not keep."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
import urllib.request
from pathlib import Path

from bus.kafka_reader import KafkaReader
from bus.ports import Commit, TopicPartition
from bus.topics import GroupOffsets
from recorder.assembly import assemble, find_sources
from recorder.batches import Batch, Copy, Decoder, Incoming
from recorder.projector import Projector
from runtime.clock import SystemClock
from schemas.codec import encode
from schemas.topics import RETENTION_MS
from store.projection import Projection
from store.transaction import ReceiptName
from tests.integration.recorder.rig import Rig, eventually

CARRIERS = """
[carriers.alpha]
host = "127.0.0.1"
port = 2775
system_id = "alpha"
tps = 10
partitions = 3
[carriers.beta]
host = "127.0.0.1"
port = 2775
system_id = "beta"
tps = 10
partitions = 3
"""


async def test_the_command_runs_is_ready_records_and_stops_in_order(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "carriers.toml").write_text(CARRIERS)
    environ = {
        "PATH": os.defpath,
        "SMPPD_KAFKA_BOOTSTRAP": rig.bootstrap,
        "SMPPD_TOPIC_PREFIX": rig.prefix,
        "SMPPD_POSTGRES_DSN": rig.dsn,
        "SMPPD_CARRIERS_FILE": str(tmp_path / "carriers.toml"),
        "SMPPD_INSTANCE_ID": "r1",
        "SMPPD_METRICS_PORT": "0",
    }
    command = [str(Path(sys.executable).parent / "smpp-dispatch"), "recorder"]
    port = free_port()
    child = await asyncio.create_subprocess_exec(
        *command, env={**environ, "SMPPD_METRICS_PORT": str(port)}, stderr=asyncio.subprocess.PIPE
    )
    try:
        await eventually(lambda: fetch(port, "/readyz") == "ready\n", 20)
        message = rig.message()
        await rig.put(rig.topics.mt("alpha", 0), 0, message)
        await rig.until("select count(*) from messages", 1)
        metrics = fetch(port, "/metrics")
        assert re.search(r'smppd_projection_records_total\{kind="mt"\} 1\.0', metrics)
        assert "smppd_projection_lag_seconds 0.0" in metrics
        assert 'smppd_in_doubt{carrier="alpha"} 0.0' in metrics
    finally:
        child.send_signal(signal.SIGTERM)
        _, said = await asyncio.wait_for(child.communicate(), 15)
    assert child.returncode == 0, said.decode()
    assert b"Traceback" not in said


def free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def fetch(port: int, path: str) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            text: str = answer.read().decode()
            return text
    except OSError:
        return ""


async def test_recorders_that_meet_on_the_same_rows_lose_and_double_nothing(rig: Rig) -> None:
    """The segments' receipts come through two recorders at once: rows are read by both and written by one at a time."""
    settings = rig.settings("r1")
    sources = await find_sources(settings, rig.book)
    messages = [rig.message(number, segments=2) for number in range(150)]
    outcomes = [rig.outcome(message, 2, number) for number, message in enumerate(messages)]
    works = assemble(settings, rig.book, sources)
    start = Batch(outcomes=[("alpha", outcome) for outcome in outcomes])
    start.queued = [Copy(message, encode(message), message.accepted_ms) for message in messages]
    await works.projector.project(start)
    others = [Projection(rig.dsn, f"r{number}") for number in range(2)]
    projectors = [
        Projector(projection, Decoder(sources), {}, works.dead_letters, SystemClock()) for projection in others
    ]

    async def receive(part: int) -> None:
        order = outcomes if part == 0 else outcomes[::-1]
        for first in range(0, len(order), 50):
            batch = Batch()
            for number, outcome in enumerate(order[first : first + 50]):
                name = ReceiptName("alpha", part, first + number)
                receipt = rig.receipt(outcome.parts[part], check=outcome.check, index=b"")
                batch.receipts.append(Incoming(name, receipt))
            await projectors[part].project(batch)

    await asyncio.gather(receive(0), receive(1))
    assert await rig.value("select count(*) from messages where status = 80 and entries = 4") == 150
    for projection in (*others, works.projection):
        await projection.close()


async def test_kafka_drops_what_is_settled_projected_and_old(rig: Rig) -> None:
    tp = TopicPartition(rig.topics.mt("alpha", 0), 0)
    old = int(time.time() * 1000) - RETENTION_MS - 60_000
    values = [encode(rig.message(number)) for number in range(6)]
    await put_at(rig, tp, values[:4], old)
    await put_at(rig, tp, values[4:], old + 120_000)
    async with GroupOffsets(rig.bootstrap) as group:
        await group.commit(rig.topics.dispatch_group("alpha"), {tp: Commit(3, "")})
    settings = rig.settings("r1")
    works = assemble(settings, rig.book, await find_sources(settings, rig.book))
    await works.housekeeping.trim_kafka()
    assert await first_offset(rig, tp) == 0, "nothing is projected yet"
    await works.projection.begin_positions({(tp.topic, tp.partition): 6})
    await works.housekeeping.trim_kafka()
    assert await first_offset(rig, tp) == 3, "settled up to there"
    async with GroupOffsets(rig.bootstrap) as group:
        await group.commit(rig.topics.dispatch_group("alpha"), {tp: Commit(6, "")})
    await works.housekeeping.trim_kafka()
    assert await first_offset(rig, tp) == 4, "the rest is young"
    await works.stop()


async def put_at(rig: Rig, tp: TopicPartition, values: list[bytes], at_ms: int) -> None:
    from aiokafka import AIOKafkaProducer

    producer = AIOKafkaProducer(bootstrap_servers=rig.bootstrap)
    await producer.start()
    for value in values:
        await producer.send_and_wait(tp.topic, value, partition=tp.partition, timestamp_ms=at_ms)
    await producer.stop()


async def first_offset(rig: Rig, tp: TopicPartition) -> int:
    reader = KafkaReader(rig.bootstrap, "test")
    await reader.start({})
    found = (await reader.begins([tp]))[tp]
    await reader.stop()
    return found
