"""What a recorder makes of Kafka, with the real servers: messages, receipts early, on a sibling bind, twice; doubts; lists."""

from __future__ import annotations

import asyncio
import os

from recorder.assembly import assemble, find_sources
from schemas import ids
from schemas.classes import CLASS_NAMES
from schemas.codec import decode_dead_letter
from schemas.records import (
    Account,
    Act,
    ApiKey,
    BatchAccepted,
    Blocked,
    Cancellation,
    InDoubt,
    MoMessage,
    Record,
    Scheduled,
)
from schemas.status import STATUS_BY_LABEL
from smpp.states import MessageState
from store.pool import Pool
from store.reads import Reads
from store.rows import MessageFilter
from tests.integration.recorder.rig import BOOK, Rig, eventually, now_ms, rig_over, working

STATUS = "select status from audit_messages where id = $1"


async def test_a_message_is_followed_from_acceptance_to_delivery(rig: Rig) -> None:
    message = rig.message()
    outcome = rig.outcome(message)
    async with rig.recorder():
        await rig.put(rig.topics.mt("alpha", 0), 0, message)
        await rig.until(STATUS, "queued", message.id)
        await rig.put(rig.topics.outcomes("alpha"), 0, outcome)
        await rig.until(STATUS, "sent", message.id)
        await rig.put(rig.topics.outcomes("alpha"), 0, rig.receipt(outcome.parts[0]))
        await rig.until(STATUS, "delivered", message.id)
    (row,) = await rig.query("select * from audit_messages")
    assert dict(row) == {
        "id": message.id,
        "client_ref": "o-0",
        "class": "otp",
        "carrier": "alpha",
        "status": "delivered",
        "is_final": True,
        "possible_duplicate": False,
        "in_doubt": False,
        "smsc_message_ids": list(outcome.parts),
    }


async def test_the_audit_view_says_every_status_and_class_in_its_word(rig: Rig) -> None:
    statement = (
        "insert into messages (id, accepted_ms, expires_ms, updated_ms, price_micros, rev, cls, status, attempt, hop,"
        " segments, entries, possible_duplicate, in_doubt, carrier, timeline)"
        " values ($1, 0, 0, 0, 0, 0, $2, $3, 1, 0, 1, 0, false, false, 'alpha', '')"
    )
    for number, status in enumerate(STATUS_BY_LABEL.values()):
        await rig.query(statement, bytes([number]) * 16, number % 3, int(status))
    rows = await rig.query("select class, status, is_final, smsc_message_ids from audit_messages order by id")
    assert [row["status"] for row in rows] == list(STATUS_BY_LABEL)
    assert [row["class"] for row in rows] == [CLASS_NAMES[number % 3] for number in range(len(rows))]
    assert [row["is_final"] for row in rows] == [status.is_final for status in STATUS_BY_LABEL.values()]
    assert all(row["smsc_message_ids"] == [] for row in rows)


async def test_a_receipt_ahead_of_its_answer_is_kept_and_matched(rig: Rig) -> None:
    message = rig.message()
    outcome = rig.outcome(message)
    async with rig.recorder():
        await rig.put(rig.topics.mt("alpha", 0), 0, message)
        await rig.put(rig.topics.outcomes("alpha"), 0, rig.receipt(outcome.parts[0], keys=(outcome.parts[0], "999")))
        await rig.until("select count(*) from parked_receipts", 2)
        await rig.put(rig.topics.outcomes("alpha"), 0, outcome)
        await rig.until(STATUS, "delivered", message.id)
        await rig.until("select count(*) from parked_receipts", 0)


async def test_a_receipt_on_a_sibling_bind_and_another_partition_is_matched(rig: Rig) -> None:
    message = rig.message()
    outcome = rig.outcome(message)
    async with rig.recorder("r1"), rig.recorder("r2"):
        # Without a destination that can be read a receipt goes to the first partition of its lane: here of another unit.
        await rig.put(rig.topics.outcomes("alpha"), 1, rig.receipt(outcome.parts[0], index=b"", check=0, lane=1))
        await rig.until("select count(*) from parked_receipts", 1)
        await rig.put(rig.topics.mt("alpha", 0), 0, message)
        await rig.put(rig.topics.outcomes("alpha"), 0, outcome)
        await rig.until(STATUS, "delivered", message.id)


async def test_a_receipt_in_another_form_is_matched_by_its_destination_only(rig: Rig) -> None:
    mine, other = rig.message(1), rig.message(2)
    one, two = rig.outcome(mine, number=1, parts=1), rig.outcome(other, number=2, parts=1)
    decimal = str(int(one.parts[0], 16))
    async with rig.recorder():
        await rig.put(rig.topics.mt("alpha", 0), 0, mine, other)
        await rig.put(rig.topics.outcomes("alpha"), 0, one, two)
        await rig.until(STATUS, "sent", other.id)
        stranger = rig.receipt(decimal, number=9, keys=(decimal, one.parts[0]))
        await rig.put(rig.topics.outcomes("alpha"), 0, stranger)
        await rig.until("select count(*) from parked_receipts where rank = 0", 1)
        await rig.put(rig.topics.outcomes("alpha"), 0, rig.receipt(decimal, number=1, keys=(decimal, one.parts[0])))
        await rig.until(STATUS, "delivered", mine.id)
    assert await rig.value("select count(*) from parked_receipts where rank = 0") == 1


async def test_records_that_stand_twice_in_kafka_change_nothing(rig: Rig) -> None:
    message = rig.message()
    outcome = rig.outcome(message)
    receipt = rig.receipt(outcome.parts[0])
    doubt = InDoubt(message.id, 0, 0, now_ms() - 60_000, 0, 1, 0, "resending", "owner_lost", b"i" * 16)
    last = rig.message(5)
    async with rig.recorder():
        await rig.put(rig.topics.mt("alpha", 0), 0, message, message)
        for record in (doubt, doubt, outcome, outcome, receipt, receipt):
            await rig.put(rig.topics.outcomes("alpha"), 0, record)
        await rig.until(STATUS, "delivered", message.id)
        await rig.put(rig.topics.mt("alpha", 0), 0, last)
        await rig.until(STATUS, "queued", last.id)
    assert await rig.value("select entries from messages where id = $1", message.id) == 4
    assert await rig.value("select count(*) from submissions") == 1
    assert await rig.value("select count(*) from in_doubt") == 1
    assert await rig.value("select resolution from in_doubt") == "sent"


async def test_a_long_message_is_delivered_when_all_its_segments_are(rig: Rig) -> None:
    message = rig.message(segments=3)
    outcome = rig.outcome(message, parts=3)
    async with rig.recorder():
        await rig.put(rig.topics.mt("alpha", 0), 0, message)
        await rig.put(rig.topics.outcomes("alpha"), 0, outcome)
        for number, smsc_id in enumerate(outcome.parts):
            await rig.until(STATUS, "sent", message.id)
            await rig.put(rig.topics.outcomes("alpha"), 0, rig.receipt(smsc_id))
            await rig.until("select entries::int from messages where id = $1", 3 + number, message.id)
        await rig.until(STATUS, "delivered", message.id)


async def test_a_second_send_that_nobody_listed_is_listed_as_a_possible_duplicate(rig: Rig) -> None:
    message = rig.message()
    first, second = rig.outcome(message, number=0), rig.outcome(message, number=0, offset=7)
    async with rig.recorder():
        await rig.put(rig.topics.mt("alpha", 0), 0, message)
        await rig.put(rig.topics.outcomes("alpha"), 0, first)
        await rig.until(STATUS, "sent", message.id)
        await rig.put(rig.topics.outcomes("alpha"), 0, second)
        await rig.until("select possible_duplicate from messages where id = $1", True, message.id)
    pool = Pool(rig.dsn, name="test")
    await pool.start()
    (found,), _ = await Reads(pool).list_in_doubt("shop")
    await pool.stop()
    assert (found.id, found.reason, found.status) == (message.id, "possible_duplicate", STATUS_BY_LABEL["sent"])
    assert not await rig.value("select in_doubt from messages where id = $1", message.id)


async def test_a_doubt_is_listed_until_its_answer_comes(rig: Rig) -> None:
    message = rig.message()
    doubt = InDoubt(message.id, 0, 0, now_ms(), 0, 1, 0, "waiting", "no_answer", b"i" * 16, now_ms() + 600_000)
    async with rig.recorder():
        await rig.put(rig.topics.mt("alpha", 0), 0, message)
        await rig.put(rig.topics.outcomes("alpha"), 0, doubt)
        await rig.until("select in_doubt from messages where id = $1", True, message.id)
        assert await rig.value(STATUS, message.id) == "queued"
        assert await rig.value("select due_ms from due_messages where id = $1", message.id) == doubt.until_ms
        await rig.put(rig.topics.outcomes("alpha"), 0, rig.outcome(message))
        await rig.until("select in_doubt from messages where id = $1", False, message.id)
    assert await rig.value("select count(*) from due_messages") == 0
    assert await rig.value("select resolution from in_doubt") == "sent"


async def test_an_outcome_ahead_of_its_message_makes_a_row_that_the_message_fills(rig: Rig) -> None:
    message = rig.message(batch=ids.random_ids(now_ms(), os.urandom(10))[0])
    outcome = rig.outcome(message)
    pool = Pool(rig.dsn, name="test")
    await pool.start()
    reads = Reads(pool)
    async with rig.recorder():
        await rig.put(rig.topics.outcomes("alpha"), 0, outcome)
        await rig.until(STATUS, "sent", message.id)
        assert await reads.get_message(None, message.id) is None
        await rig.put(rig.topics.mt("alpha", 0), 0, message)
        await rig.until("select account from messages where id = $1", "shop", message.id)
    found = await reads.get_message("shop", message.id)
    await pool.stop()
    assert found is not None
    assert (found.status, found.batch) == (STATUS_BY_LABEL["sent"], message.batch)
    assert found.attempts[0].parts[0].smsc_message_id == outcome.parts[0]
    assert [event.type for event in found.timeline] == ["queued", "sent"]


async def test_the_lists_are_kept(rig: Rig) -> None:
    act = Act("root", "new customer", now_ms())
    batch = BatchAccepted(ids.random_ids(now_ms(), os.urandom(10))[0], "shop", "spring", 10, 9, 1, now_ms(), False)
    scheduled, blocked = rig.message(1, not_before_ms=now_ms() + 60_000), rig.message(2)
    inbound = MoMessage(
        ids.random_ids(now_ms(), os.urandom(10))[0], "alpha", 0, now_ms(), "shop", b"s", b"i" * 16, "1069"
    )
    canceled = rig.message(3, not_before_ms=now_ms() + 60_000)
    async with rig.recorder():
        await rig.put(rig.topics.intake, 3, batch, Scheduled(scheduled), Scheduled(canceled))
        await rig.put(rig.topics.intake, 3, Blocked(blocked.id, 0, 0, now_ms(), 0, 1, 0, "quiet_hours", blocked))
        final = BatchAccepted(batch.id, "shop", "spring", 20, 18, 2, batch.at_ms + 5, True)
        await rig.put(rig.topics.intake, 3, final)
        await rig.put(rig.topics.mo, 2, inbound)
        await rig.put(rig.topics.reference, 0, Account(act, "shop"), key=b"account/shop")
        await rig.put(rig.topics.reference, 0, ApiKey(act, "k1", "shop", b"h" * 32, ("send",), True), key=b"key/k1")
        await rig.put(rig.topics.reference, 0, Cancellation(act, canceled.id, "shop"), key=b"cancel/1")
        await rig.until("select count(*) from audit_log", 3)
        await rig.until("select count(*) from inbound", 1)
        await rig.until(STATUS, "scheduled", scheduled.id)
        await rig.until(STATUS, "blocked", blocked.id)
        await rig.until(STATUS, "canceled", canceled.id)
        await rig.until("select total from batches where id = $1", 20, batch.id)
        await rig.until("select count(*) from due_messages", 1)
    assert await rig.value("select sha256 from api_keys where id = 'k1'") == b"h" * 32
    assert await rig.value("select reason from audit_log where kind = 'key'") == "new customer"
    assert b"h" * 32 not in (await rig.value("select what::text from audit_log where kind = 'key'")).encode()
    pool = Pool(rig.dsn, name="test")
    await pool.start()
    rows, cursor = await Reads(pool).list_messages("shop", MessageFilter(), None, 2)
    rest, end = await Reads(pool).list_messages("shop", MessageFilter(), cursor, 2)
    found = await Reads(pool).get_batch("shop", batch.id)
    await pool.stop()
    assert {row.id for row in rows} | {row.id for row in rest} == {scheduled.id, blocked.id, canceled.id}
    assert end is None
    assert found is not None
    assert (found.accepted, found.complete, found.counts) == (18, True, {})


async def test_a_poison_record_is_set_aside_and_the_rest_stays(rig: Rig) -> None:
    good = [rig.message(number) for number in range(20)]
    too_large = rig.message(99, price_micros=2**63)
    too_long = rig.message(98, client_ref=os.urandom(50_000).hex())
    bad_id = rig.message(97, id=b"short")
    with_nul = rig.message(96, client_ref="a\0b")
    values: list[Record | bytes] = [*good[:10], too_large, b"\xc1 not msgpack", too_long, bad_id, with_nul, *good[10:]]
    async with rig.recorder():
        await rig.put(rig.topics.mt("alpha", 0), 0, *values)
        await rig.until("select count(*) from messages", 21)
        await rig.until(
            "select next from projection_offsets where topic = $1 and part = 0", 25, rig.topics.mt("alpha", 0)
        )
    assert await rig.value("select client_ref from messages where id = $1", with_nul.id) == "a\ufffdb"
    letters = await dead_letters(rig)
    assert sorted(letter.offset for letter in letters) == [10, 11, 12, 13]  # each once
    assert all(letter.topic == rig.topics.mt("alpha", 0) and letter.reason for letter in letters)


async def dead_letters(rig: Rig) -> list:  # type: ignore[type-arg]  # DeadLetter, as decoded
    from bus.kafka_reader import KafkaReader
    from bus.ports import TopicPartition

    tp, reader, found = TopicPartition(rig.topics.dead_letters, 0), KafkaReader(rig.bootstrap, "test"), []
    await reader.start({tp: 0})
    for _ in range(20):
        for records in (await reader.poll(0.2, 100)).values():
            found += [decode_dead_letter(record.value or b"") for record in records]
        if len(found) >= 4:
            break
    await reader.stop()
    return found


async def test_a_record_of_a_newer_release_stops_its_partition_only(rig: Rig) -> None:
    before, after, other = rig.message(1), rig.message(2), rig.message(3)
    newer = b"\x92\xcd\x03\x84\x01"  # [900, 1]
    async with rig.recorder() as process:
        await rig.put(rig.topics.mt("alpha", 0), 0, before, newer, after)
        await rig.put(rig.topics.mt("alpha", 0), 1, other)
        await rig.until(STATUS, "queued", before.id)
        await rig.until(STATUS, "queued", other.id)
        recorder = (await working(process)).recorder
        await eventually(lambda: recorder.release_check() is not None)
        assert "newer release" in (recorder.release_check() or "")
        await asyncio.sleep(0.2)
    assert await rig.value("select count(*) from messages where id = $1", after.id) == 0
    assert (
        await rig.value("select next from projection_offsets where topic = $1 and part = 0", rig.topics.mt("alpha", 0))
        == 1
    )


async def test_a_late_state_changes_nothing_and_a_second_final_one_is_history(rig: Rig) -> None:
    message = rig.message()
    outcome = rig.outcome(message)
    async with rig.recorder():
        await rig.put(rig.topics.mt("alpha", 0), 0, message)
        await rig.put(rig.topics.outcomes("alpha"), 0, outcome)
        for state in (MessageState.DELIVRD, MessageState.ENROUTE, MessageState.UNDELIV):
            await rig.put(rig.topics.outcomes("alpha"), 0, rig.receipt(outcome.parts[0], state=state))
        await rig.until("select entries::int from messages where id = $1", 4, message.id)
        assert await rig.value(STATUS, message.id) == "delivered"


async def test_without_a_receipt_in_time_it_is_unknown_and_a_late_one_still_amends_it(
    kafka_bootstrap: str, topic_prefix: str, postgres_dsn: str
) -> None:
    impatient = BOOK.model_copy(
        update={"carriers": {name: c.model_copy(update={"receipt_timeout_s": 60}) for name, c in BOOK.carriers.items()}}
    )
    async with rig_over(kafka_bootstrap, topic_prefix, postgres_dsn, impatient) as rig:
        message, fresh = rig.message(1), rig.message(2)
        long_ago = now_ms() - 61_000
        outcome = rig.outcome(message, number=1, at_ms=long_ago, submitted_ms=long_ago)
        # Of works of its own: those of the process are at their chores, with the same session.
        settings = rig.settings("chores")
        chores = assemble(settings, rig.book, await find_sources(settings, rig.book)).housekeeping
        async with rig.recorder():
            await rig.put(rig.topics.mt("alpha", 0), 0, message, fresh)
            await rig.put(rig.topics.outcomes("alpha"), 0, outcome, rig.outcome(fresh, number=2, offset=1))
            await rig.until(STATUS, "sent", fresh.id)
            async with asyncio.timeout(15):
                # A round gives way when the process's own chore, or the projection, moves the mark at the same time.
                while await rig.value(STATUS, message.id) != "unknown":
                    await chores.time_out()
            await chores.stop()
            assert not await rig.value("select is_final from audit_messages where id = $1", message.id)
            assert await rig.value(STATUS, fresh.id) == "sent"
            await rig.put(rig.topics.outcomes("alpha"), 0, rig.receipt(outcome.parts[0], number=1))
            await rig.until(STATUS, "delivered", message.id)
