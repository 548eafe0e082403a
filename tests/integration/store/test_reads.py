"""The read side over real rows: filters, pages, accounts apart, and one clear fault when Postgres is away."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from runtime.errors import UnavailableError
from schemas import ids
from schemas.codec import encode
from schemas.ids import DAY_MS
from schemas.records import Extras, MtMessage
from schemas.status import Status
from store import packing, timeline
from store.cursors import CursorError
from store.pool import Pool
from store.projection import Projection
from store.reads import Reads
from store.rows import AuditFilter, MessageFilter
from store.transaction import Row
from store.upkeep import Upkeep

TODAY = 20_000
NOON = TODAY * DAY_MS + DAY_MS // 2
BATCH = ids.random_ids(NOON, b"b" * 10)[0]


@pytest.fixture
async def reads(dsn: str) -> AsyncIterator[Reads]:
    upkeep = Upkeep(dsn)
    await upkeep.make_partitions(TODAY)
    await upkeep.close()
    pool = Pool(dsn, name="test")
    await pool.start()
    yield Reads(pool)
    await pool.stop()


def record(number: int, account: str = "shop", *, keyed: bool = False, day: int = 0) -> MtMessage:
    at = NOON + number * 10 - day * DAY_MS
    id = ids.keyed_id(b"s", account, f"key-{number}", 0, at) if keyed else ids.random_ids(at, os.urandom(10))[0]
    return MtMessage(
        id, account, number % 3, ("alpha", "beta")[number % 2], b"sealed", bytes([number % 5]) * 16, at, at + 1, 1, 0, 0, 3,
        32_000, "USD", f"o-{number}", BATCH if number % 4 == 0 else None, b"hash" if keyed else None,
        extras=Extras("spring", ("a", f"t{number}"), {"k": "v"}) if number % 2 else None,
    )  # fmt: skip


async def write(dsn: str, *messages: MtMessage, status: Status = Status.QUEUED) -> None:
    projection = Projection(dsn)
    rows: dict[int, list[Row]] = {}
    for message in messages:
        extras = message.extras or Extras()
        entries = [(timeline.QUEUED, message.accepted_ms, 1, 0, message.carrier, 0)]
        packed = packing.pack_message(
            message.id, message.accepted_ms, message.expires_ms, message.accepted_ms, 32_000, 0, message.cls, status, 1,
            0, 1, 1, False, False, message.carrier, timeline.pack(entries),
            packing.pack_origin(message.account, "USD", message.index, encode(message)),
            packing.labels(message.client_ref, message.batch, extras.campaign, extras.tags), packing.NULL, packing.NO_ERROR,
        )  # fmt: skip
        rows.setdefault(ids.millis_of(message.id) // DAY_MS, []).append((message.id, packed))
    async with projection.transaction() as transaction:
        await transaction.write_messages(rows, {})
    await projection.close()


async def test_a_message_is_found_by_its_account_and_by_an_operator_only(dsn: str, reads: Reads) -> None:
    mine = record(1)
    await write(dsn, mine)
    found = await reads.get_message("shop", mine.id)
    assert found is not None
    assert (found.campaign, found.tags, found.metadata) == ("spring", ("a", "t1"), {"k": "v"})
    assert await reads.get_message(None, mine.id) == found
    assert await reads.get_message("other", mine.id) is None


async def test_pages_go_back_in_time_and_are_complete(dsn: str, reads: Reads) -> None:
    messages = [record(number, day=number % 3) for number in range(25)]
    await write(dsn, *messages)
    for account in ("shop", None):
        seen, cursor, pages = [], None, 0
        while pages == 0 or cursor is not None:
            rows, cursor = await reads.list_messages(account, MessageFilter(), cursor, 10)
            if pages == 1:
                # What comes meanwhile is newer than the cursor.
                await write(dsn, record(900 + (account is None)))
            seen += [row.accepted_ms for row in rows if row.client_ref != "o-900"]
            pages += 1
        assert seen == sorted((message.accepted_ms for message in messages), reverse=True)
        assert pages == 3


@pytest.mark.parametrize(
    ("chosen", "wanted"),
    [
        (MessageFilter(status=Status.QUEUED), range(20)),
        (MessageFilter(status=Status.SENT), ()),
        (MessageFilter(cls=1), range(1, 20, 3)),
        (MessageFilter(carrier="beta"), range(1, 20, 2)),
        (MessageFilter(destination_index=bytes([2]) * 16), range(2, 20, 5)),
        (MessageFilter(client_ref="o-7"), (7,)),
        (MessageFilter(batch=BATCH), range(0, 20, 4)),
        (MessageFilter(tag="t3"), (3,)),
        (MessageFilter(from_ms=NOON + 50, until_ms=NOON + 80), (5, 6, 7)),
        (MessageFilter(cls=0, carrier="alpha", batch=BATCH), (0, 12)),
    ],
)
async def test_each_filter_chooses(dsn: str, reads: Reads, chosen: MessageFilter, wanted: range) -> None:
    await write(dsn, *(record(number) for number in range(20)))
    await write(dsn, record(3, "other"))
    rows, cursor = await reads.list_messages("shop", chosen, None, 100)
    assert [row.client_ref for row in rows] == [f"o-{number}" for number in sorted(wanted, reverse=True)]
    assert cursor is None


async def test_keyed_messages_are_found_with_their_request_over_midnight(dsn: str, reads: Reads) -> None:
    today, yesterday, random = record(1, keyed=True), record(2, keyed=True, day=1), record(3)
    await write(dsn, today, yesterday, random)
    wanted = [today.id, yesterday.id, ids.at_day(today.id, (TODAY - 1) * DAY_MS), b"\0" * 16, random.id]
    found = await reads.find_keyed(wanted)
    assert {id: row.body_hash for id, row in found.items()} == {
        today.id: b"hash", yesterday.id: b"hash", random.id: None,
    }  # fmt: skip
    assert await reads.find_keyed([]) == {}
    # Many at once, and those of days that do not meet, are asked for day by day.
    many = [ids.keyed_id(b"k", "shop", f"none {number}", 0, TODAY * DAY_MS) for number in range(300)]
    assert (await reads.find_keyed([*wanted, *many])).keys() == found.keys()
    older = record(4, keyed=True, day=2)
    await write(dsn, older)
    assert (await reads.find_keyed([older.id, today.id])).keys() == {older.id, today.id}


async def test_a_batch_counts_its_messages_by_status(dsn: str, reads: Reads) -> None:
    await write(dsn, *(record(number) for number in range(12)))
    await write(dsn, record(16), status=Status.DELIVERED)
    projection = Projection(dsn)
    async with projection.transaction() as transaction:
        await transaction.put("put_batch", [(BATCH, "shop", "spring", 5, 4, 1, NOON, True)])
    await projection.close()
    found = await reads.get_batch("shop", BATCH)
    assert found is not None
    assert (found.name, found.rejected, found.counts) == ("spring", 1, {Status.QUEUED: 3, Status.DELIVERED: 1})
    assert await reads.get_batch("other", BATCH) is None


async def test_doubts_are_paged_and_chosen_by_account_and_carrier(dsn: str, reads: Reads) -> None:
    messages = [record(number) for number in range(5)]
    await write(dsn, *messages)
    unknown = b"u" * 16
    doubts: list[tuple[Any, ...]] = [
        (message.id, NOON + number, 1, 0, 0, 2, 7, 0, message.carrier, "no_answer", "waiting", None, None)
        for number, message in enumerate(messages)
    ]
    doubts.append((unknown, NOON + 99, 1, 0, 0, 2, 7, 0, "alpha", "owner_lost", "resending", None, None))
    doubts.append((messages[0].id, NOON + 100, 2, 0, 0, 2, 7, 0, "alpha", "owner_lost", "held", NOON, "sent"))
    projection = Projection(dsn)
    async with projection.transaction() as transaction:
        await transaction.put("open_doubt", doubts)
        await transaction.put("open_doubt", doubts)
    await projection.close()
    rows, cursor = await reads.list_in_doubt(limit=4)
    rest, end = await reads.list_in_doubt(limit=4, cursor=cursor)
    assert [row.at_ms - NOON for row in rows + rest] == [99, 4, 3, 2, 1, 0]
    assert end is None
    assert (rows[0].id, rows[0].account, rows[0].status) == (unknown, None, None)
    assert [row.id for row in (await reads.list_in_doubt("shop", "beta"))[0]] == [messages[3].id, messages[1].id]
    assert (await reads.list_in_doubt("other"))[0] == []
    (ended, *_), _ = await reads.list_in_doubt(open_only=False)
    assert (ended.attempt, ended.resolved_ms, ended.resolution, ended.sent) == (2, NOON, "sent", True)
    assert [row.at_ms - NOON for row in (await reads.list_in_doubt(since_ms=NOON + 4))[0]] == [99, 4]


async def test_where_messages_stand_is_told_to_their_account(dsn: str, reads: Reads) -> None:
    waiting, resending, plain = (record(number) for number in range(3))
    await write(dsn, waiting, resending, plain)
    projection = Projection(dsn)
    async with projection.transaction() as transaction:
        await transaction.put(
            "open_doubt",
            [
                (one.id, NOON, 1, 0, 0, 2, 7, 0, one.carrier, "no_answer", action, None, None)
                for one, action in ((waiting, "waiting"), (resending, "resending"))
            ],
        )
    await projection.close()
    session = await asyncpg.connect(dsn)
    await session.execute(
        "update messages set in_doubt = true where id = any($1)",
        [uuid.UUID(bytes=waiting.id), uuid.UUID(bytes=resending.id)],
    )
    await session.close()
    ids_of = [waiting.id, resending.id, plain.id, b"u" * 16]
    found = await reads.messages_by_ids("shop", ids_of)
    assert {one: (row.in_doubt, row.resolvable) for one, row in found.items()} == {
        waiting.id: (True, True),
        resending.id: (True, False),
        plain.id: (False, False),
    }
    assert await reads.messages_by_ids("other", ids_of) == {}


async def test_the_audit_log_is_paged_and_chosen_from(dsn: str, reads: Reads) -> None:
    projection = Projection(dsn)
    rows = [
        (NOON + number // 2, number, ("key", "carrier")[number % 2], f"s{number}", "anna", "why", f'{{"n": {number}}}')
        for number in range(7)
    ]
    async with projection.transaction() as transaction:
        await transaction.put("put_audit", rows)
    await projection.close()
    everything = AuditFilter()
    first, cursor = await reads.list_audit(everything, None, 4)
    rest, end = await reads.list_audit(everything, cursor, 4)
    assert [row.what["n"] for row in first + rest] == [6, 5, 4, 3, 2, 1, 0]
    assert end is None
    chosen, _ = await reads.list_audit(AuditFilter(kind="key", from_ms=NOON + 1, until_ms=NOON + 3), None, 10)
    assert [row.subject for row in chosen] == ["s4", "s2"]
    assert (await reads.list_audit(AuditFilter(actor="bert"), None, 10))[0] == []


async def test_messages_from_handsets_are_paged_by_account(dsn: str, reads: Reads) -> None:
    projection = Projection(dsn)
    rows = [
        (bytes([number]) * 16, NOON + number, 0, ("shop", "bank")[number % 2], "alpha", "10690000", b"i" * 16, b"s")
        for number in range(5)
    ]
    async with projection.transaction() as transaction:
        await transaction.put("put_inbound", rows)
    await projection.close()
    first, cursor = await reads.list_inbound("shop", None, 2)
    rest, end = await reads.list_inbound("shop", cursor, 2)
    assert [row.at_ms - NOON for row in first + rest] == [4, 2, 0]
    assert end is None
    assert len((await reads.list_inbound(None, None, 10))[0]) == 5


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "é", "A" * 500])
async def test_a_cursor_of_another_hand_is_refused(reads: Reads, cursor: str) -> None:
    with pytest.raises(CursorError):
        await reads.list_messages("shop", MessageFilter(), cursor, 10)
    with pytest.raises(CursorError):
        await reads.list_in_doubt(cursor=cursor)
    with pytest.raises(CursorError):
        await reads.list_audit(AuditFilter(), cursor, 10)
    with pytest.raises(CursorError):
        await reads.list_inbound("shop", cursor, 10)


async def test_without_postgres_every_question_ends_in_one_clear_line() -> None:
    pool = Pool("postgresql://somebody:secret@127.0.0.1:1/nowhere", name="test")
    await pool.start()
    reads = Reads(pool)
    for question in (reads.get_message("shop", BATCH), reads.get_batch("shop", BATCH), reads.list_in_doubt()):
        with pytest.raises(UnavailableError, match=r"Postgres is not reachable at 127\.0\.0\.1:1/nowhere") as found:
            await question
        assert "secret" not in str(found.value)
    await pool.stop()


async def test_a_question_that_takes_too_long_is_given_up(dsn: str) -> None:
    pool = Pool(dsn, name="test", statement_timeout_ms=100)
    await pool.start()
    with pytest.raises(UnavailableError, match="did not answer"):
        async with pool.session() as session:
            await session.fetch("select pg_sleep(5)")
    await pool.stop()
