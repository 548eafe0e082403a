"""Daily partitions come, go, and take what waited for them; what is overdue is given up; what is old is dropped."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from schemas import ids
from schemas.ids import DAY_MS
from schemas.status import Status
from store import packing, timeline
from store.named import sql
from store.partitions import Partitions
from store.pool import raw_ids
from store.projection import Projection
from store.upkeep import RECEIPT_TIMEOUT, Upkeep

TODAY = 20_000
NOON = TODAY * DAY_MS + DAY_MS // 2


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Any]:
    session = await asyncpg.connect(dsn)
    await raw_ids(session)
    yield session
    await session.close()


@pytest.fixture
async def upkeep(dsn: str) -> AsyncIterator[Upkeep]:
    upkeep = Upkeep(dsn)
    yield upkeep
    await upkeep.close()


def id_at(at_ms: int) -> bytes:
    return ids.random_ids(at_ms, os.urandom(10))[0]


def message(id: bytes, status: Status = Status.SENT) -> bytes:
    entries = [(timeline.QUEUED, 1, 1, 0, "alpha", 0)]
    return packing.pack_message(
        id, 1, 2, 3, 4, 0, 0, status, 1, 0, 1, 1, False, False, "alpha", timeline.pack(entries), packing.NO_ORIGIN,
        packing.NO_LABELS, packing.NULL, packing.NO_ERROR,
    )  # fmt: skip


async def write(dsn: str, at_ms: int, submitted_ms: int | None = None, status: Status = Status.SENT) -> bytes:
    """A message, and a segment of it where a time of submit is given."""
    projection, id = Projection(dsn), id_at(at_ms)
    async with projection.transaction() as transaction:
        await transaction.write_messages({at_ms // DAY_MS: [(id, message(id, status))]}, {})
        if submitted_ms is not None:
            row = packing.pack_submission(submitted_ms, id, 0, 1, 7, "alpha", f"k{submitted_ms}")
            await transaction.write_submissions({submitted_ms // DAY_MS: [row]})
    await projection.close()
    return id


async def test_partitions_are_made_ahead_and_hold_their_day(dsn: str, db: Any, upkeep: Upkeep) -> None:
    await upkeep.make_partitions(TODAY)
    await upkeep.make_partitions(TODAY)
    id = await write(dsn, NOON, NOON)
    leaves = await db.fetch(
        "select tableoid::regclass::text from messages union all select tableoid::regclass::text from submissions"
    )
    assert [leaf for (leaf,) in leaves] == ["messages_20241004", "submissions_20241004"]
    partitions = Partitions()
    await partitions.refresh(db)
    assert partitions.days("messages") == list(range(TODAY - 2, TODAY + 4))
    assert await db.fetchval("select id from messages where id = $1", id) == id


async def test_days_out_of_bounds_go_to_the_default_partition_and_move_when_their_day_comes(
    dsn: str, db: Any, upkeep: Upkeep
) -> None:
    await upkeep.make_partitions(TODAY)
    far = NOON + 5 * DAY_MS
    id = await write(dsn, far, far)
    assert await db.fetchval("select tableoid::regclass::text from messages") == "messages_default"
    await upkeep.make_partitions(TODAY + 2)
    assert await db.fetchval("select tableoid::regclass::text from messages") == "messages_20241009"
    assert await db.fetchval("select tableoid::regclass::text from submissions") == "submissions_20241009"
    projection = Projection(dsn)
    async with projection.transaction() as transaction:
        (found,) = await transaction.load({TODAY + 5: [id]})
        (submission,) = await transaction.find({TODAY + 5: [f"k{far}"]})
    await projection.close()
    assert (found.id, submission.id, submission.check) == (id, id, 7)


def test_only_sane_days_get_a_partition() -> None:
    partitions = Partitions()
    days = [TODAY - 41, TODAY - 40, TODAY, TODAY + 3, TODAY + 4, 0, 2**40 // DAY_MS]
    assert partitions.wanting("messages", days, TODAY) == [TODAY - 40, TODAY, TODAY + 3]


async def test_what_is_past_retention_is_dropped(dsn: str, db: Any, upkeep: Upkeep) -> None:
    for day in (0, 10, 20):
        await upkeep.make_partitions(TODAY + day)
    old, kept = await write(dsn, NOON, NOON), await write(dsn, NOON + 20 * DAY_MS)
    stray = await write(dsn, NOON - 300 * DAY_MS)
    await db.execute("insert into receipt_history values ('alpha', 0, 1, $1, 'x', '')", NOON)
    await db.execute("insert into inbound values ($1, $2, 0, 'shop', 'alpha', '1', '', '')", id_at(NOON), NOON)
    dropped = await upkeep.drop_before(TODAY + 10)
    assert "messages_20241004" in dropped
    assert "submissions_20241004" in dropped
    assert {row[0] for row in await db.fetch("select id from messages")} == {kept}, (old, stray)
    assert await db.fetchval("select count(*) from receipt_history") == 0
    assert await db.fetchval("select count(*) from inbound") == 0


async def test_a_sent_message_without_a_receipt_becomes_unknown_in_time(dsn: str, db: Any, upkeep: Upkeep) -> None:
    await upkeep.make_partitions(TODAY)
    late, young = await write(dsn, NOON, NOON), await write(dsn, NOON, NOON + 60_000)
    done = await write(dsn, NOON, NOON, Status.DELIVERED)
    assert await upkeep.time_out("alpha", NOON + 30_000, NOON + 90_000) == 1
    assert await upkeep.time_out("beta", NOON + 90_000, NOON + 90_000) == 0
    rows = {row["id"]: row for row in await db.fetch("select * from messages")}
    assert [rows[id]["status"] for id in (late, young, done)] == [Status.UNKNOWN, Status.SENT, Status.DELIVERED]
    row = rows[late]
    assert (row["rev"], row["error_code"], row["updated_ms"]) == (1, "no_receipt", NOON + 90_000)
    assert timeline.unpack(row["timeline"], row["entries"])[-1] == (timeline.UNKNOWN, NOON + 90_000)
    assert await upkeep.time_out("alpha", NOON + 70_000, NOON + 99_000) == 1


async def test_a_session_that_made_no_partitions_finds_where_the_first_submit_may_be(
    dsn: str, db: Any, upkeep: Upkeep
) -> None:
    await upkeep.make_partitions(TODAY)
    id = await write(dsn, NOON, NOON)
    newcomer = Upkeep(dsn)
    asked: list[str] = []
    ask = newcomer._ask

    async def counted(method: str, query: str, *args: Any) -> Any:
        asked.append(query)
        return await ask(method, query, *args)

    newcomer._ask = counted  # type: ignore[method-assign]
    assert await newcomer.time_out("alpha", NOON + 30_000, NOON + 90_000) == 1
    await newcomer.close()
    assert asked.count(sql("time_out_messages")) < 20
    assert await db.fetchval("select status from messages where id = $1", id) == Status.UNKNOWN


async def test_a_submit_that_is_projected_late_is_still_timed_out(dsn: str, db: Any, upkeep: Upkeep) -> None:
    await upkeep.make_partitions(TODAY)
    await upkeep.time_out("alpha", NOON + 3_600_000, NOON + 3_600_000)
    id = await write(dsn, NOON, NOON)
    projection = Projection(dsn)
    async with projection.transaction() as transaction:
        await transaction.put("lower_chore", [(RECEIPT_TIMEOUT, "alpha", NOON)])
    await projection.close()
    assert await upkeep.time_out("alpha", NOON + 3_600_000, NOON + 3_600_000) == 1
    assert await db.fetchval("select status from messages where id = $1", id) == Status.UNKNOWN


async def test_receipts_that_nobody_claims_become_history(dsn: str, db: Any, upkeep: Upkeep) -> None:
    projection = Projection(dsn)
    async with projection.transaction() as transaction:
        rows = [("alpha", 0, number, rank, f"k{rank}", NOON + number, 0, b"r") for number in (1, 2) for rank in (0, 1)]
        await transaction.put_all("park_receipt", rows)
    await projection.close()
    assert (await upkeep.counts())[0] == {"alpha": 2}
    assert await upkeep.give_up_parked("beta", NOON + 9) == 0
    assert await upkeep.give_up_parked("alpha", NOON + 2) == 1
    assert [tuple(row) for row in await db.fetch("select log_offset, reason from receipt_history")] == [
        (1, "not_claimed")
    ]
    assert (await upkeep.counts())[0] == {"alpha": 1}
