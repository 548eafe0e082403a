"""A rebuild from Kafka gives what the live projection gave, whatever the batches were (P: Kafka is the truth)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import asyncpg
import pytest

from migrations.runner import migrate
from recorder.assembly import run_rebuild
from runtime.errors import ConfigError
from store.pool import raw_ids
from tests.integration.recorder.rig import Rig, now_ms, rig_over
from tests.property.recorder import logical
from tests.property.recorder.logs import BOOK, history_of

LISTS = ("in_doubt", "due_messages", "batches", "inbound", "accounts", "api_keys", "projection_offsets", "audit_log")


@pytest.fixture
async def rig(kafka_bootstrap: str, topic_prefix: str, postgres_dsn: str) -> AsyncIterator[Rig]:
    async with rig_over(kafka_bootstrap, topic_prefix, postgres_dsn, BOOK) as rig:
        yield rig


@asynccontextmanager
async def another_database(dsn: str) -> AsyncIterator[str]:
    base, _, name = dsn.rpartition("/")
    session = await asyncpg.connect(dsn)
    await session.execute(f"create database {name}_rebuilt")
    try:
        yield f"{base}/{name}_rebuilt"
    finally:
        await session.execute(f"drop database {name}_rebuilt with (force)")
        await session.close()


async def contents(dsn: str) -> dict[str, Any]:
    """Everything that a projection says."""
    session = await asyncpg.connect(dsn)
    await raw_ids(session)
    messages = {row["id"]: dict(row) for row in await session.fetch("select * from messages")}
    submissions = [dict(row) for row in await session.fetch("select * from submissions")]
    found: dict[str, Any] = {
        "messages": logical.messages(messages),
        "submissions": logical.submissions(submissions, messages),
        "parked": [
            tuple(row) for row in await session.fetch("select carrier, part, log_offset, key from parked_receipts")
        ],
    }
    for table in LISTS:
        found[table] = sorted(repr(tuple(row)) for row in await session.fetch(f"select * from {table}"))
    await session.close()
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_rebuild_equals_the_live_projection(rig: Rig, seed: int) -> None:
    random = Random(seed)
    logs = history_of(random, 60, now_ms() - 3_600_000, rig.topics)
    ends = {tp: len(log) for tp, log in logs.items()}
    async with rig.recorder("r1", recorder_batch_ms=5), rig.recorder("r2", recorder_batch_ms=20):
        left = {tp: list(log) for tp, log in logs.items()}
        while any(left.values()):
            for tp in random.sample(sorted(left), len(left)):
                count = random.randint(0, len(left[tp]))
                some, left[tp] = left[tp][:count], left[tp][count:]
                for record in some:
                    await rig.put_values(tp.topic, tp.partition, [record.value or b""], record.key)
            await asyncio.sleep(random.random() * 0.2)
        await rig.until("select sum(next) from projection_offsets", sum(ends.values()))
        await rig.until("select count(*) from parked_receipts", 0)
    live = await contents(rig.dsn)
    assert len(live["messages"]) == 60
    async with another_database(rig.dsn) as dsn:
        await migrate(dsn)
        done = await run_rebuild(rig.settings("rebuild", recorder_batch_records=100), rig.book, dsn, False)
        assert done.records == sum(ends.values())
        rebuilt = await contents(dsn)
    for name, rows in live.items():
        assert rebuilt[name] == rows, name


async def test_a_rebuild_spares_what_is_there_unless_it_is_forced(rig: Rig) -> None:
    message = rig.message()
    async with rig.recorder():
        await rig.put(rig.topics.mt("alpha", 0), 0, message)
        await rig.until("select count(*) from messages", 1)
    with pytest.raises(ConfigError, match="not empty"):
        await run_rebuild(rig.settings("rebuild"), rig.book, rig.dsn, False)
    assert await rig.value("select count(*) from messages") == 1
    done = await run_rebuild(rig.settings("rebuild"), rig.book, rig.dsn, True)
    assert done.records == 1
    assert await rig.value("select count(*) from messages") == 1
