"""Every record is projected once: over crashes, two recorders on one partition, and a Postgres that goes away."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path

import pytest

from bus.ports import TopicPartition
from recorder.assembly import Works, assemble, find_sources
from recorder.batches import Batch
from recorder.fold import Rows
from recorder.process import RecorderProcess
from recorder.role import Share
from runtime.health import Health
from runtime.local.postgres import PostgresServer
from schemas.carriers import CarrierBook
from schemas.records import MtMessage, SubmitOutcome
from store import timeline
from store.transaction import Moved, Transaction
from tests.integration.recorder.rig import Rig, eventually, rig_over, working

COUNT = 300


async def traffic(rig: Rig, count: int = COUNT, first: int = 0) -> list[MtMessage]:
    """Publishes messages, answers and receipts over all partitions of both carriers."""
    messages = []
    for number in range(first, first + count):
        carrier, part = ("alpha", "beta")[number % 2], number % 3
        message = rig.message(number, carrier)
        outcome = rig.outcome(message, number=number, offset=number)
        messages.append(message)
        receipt = rig.receipt(outcome.parts[0], number)
        await asyncio.gather(
            rig.put(rig.topics.mt(carrier, 0), part, message),
            rig.put(rig.topics.outcomes(carrier), part, outcome, receipt),
        )
    return messages


async def assert_exactly_once(rig: Rig, messages: list[MtMessage]) -> None:
    # Two recorders may have a message and its outcome: the row says delivered before it says queued.
    all_there = "select count(*) from messages where status = 80 and entries >= 3"
    await rig.until(all_there, len(messages), timeout_s=40)
    rows = await rig.query("select id, timeline, entries from messages")
    assert {row["id"] for row in rows} == {message.id for message in messages}
    for row in rows:
        kinds = Counter(entry[0] for entry in timeline.unpack(row["timeline"], row["entries"]))
        assert kinds == {timeline.QUEUED: 1, timeline.SENT: 1, timeline.RECEIPT: 1}
    assert await rig.value("select count(*) from submissions") == len(messages)
    assert await rig.value("select count(*) from parked_receipts") == 0


async def test_a_crash_between_reading_and_committing_projects_nothing_twice(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of several recorders dies at another step of its transaction, or after the commit and before it knows."""
    messages = []
    for number, step in enumerate(("load", "write_messages", "write_submissions", "write_changes", "commit")):
        messages += await traffic(rig, 20, number * 20)
        settings = rig.settings("crashing")
        works = assemble(settings, rig.book, await find_sources(settings, rig.book))
        await die_at(works, step, monkeypatch)
        monkeypatch.undo()
    async with rig.recorder("survivor"):
        await assert_exactly_once(rig, messages)


async def die_at(works: Works, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs a recorder until it comes to a step, and leaves it as kill -9 would."""
    reached = asyncio.Event()
    if step == "commit":
        transact = works.projector._transact

        async def committed(batch: Batch) -> Rows:
            rows = await transact(batch)
            reached.set()
            await asyncio.Event().wait()
            return rows

        monkeypatch.setattr(works.projector, "_transact", committed)
    else:

        async def hang(_self: Transaction, *_args: object) -> None:
            reached.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(Transaction, step, hang)
    task = asyncio.create_task(works.recorder.run())
    async with asyncio.timeout(15):
        await reached.wait()
    # The session dies with the process; the group sees nothing until the session timeout.
    works.projection._session.terminate()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await works.stop()


async def test_two_recorders_share_the_load(rig: Rig) -> None:
    async with rig.recorder("r1") as one, rig.recorder("r2") as two:
        first, second = await working(one), await working(two)
        await eventually(lambda: len(partitions(first)) > 0 and len(partitions(second)) > 0)
        assert not set(partitions(first)) & set(partitions(second))
        assert {*partitions(first), *partitions(second)} == set(first.sources.all_partitions())
        messages = await traffic(rig, 60)
        await assert_exactly_once(rig, messages)


def partitions(works: Works) -> list[TopicPartition]:
    share = works.recorder._share
    return list(share.partitions) if share is not None and not share.over.is_set() else []


async def test_a_recorder_that_joins_takes_over_in_the_middle_of_the_traffic(rig: Rig) -> None:
    async with rig.recorder("r1"):
        half = await traffic(rig, 40)
        async with rig.recorder("r2"):
            messages = half + await traffic(rig, 60, 40)
            await assert_exactly_once(rig, messages)


async def test_two_recorders_that_fight_for_the_same_partitions_double_nothing(rig: Rig) -> None:
    """As if the group had given all to both: the positions decide, each batch goes to whoever is first."""
    async with rig.recorder("r1") as one, rig.recorder("r2") as two:
        first, second = await working(one), await working(two)
        await eventually(lambda: len(partitions(first)) > 0 and len(partitions(second)) > 0)
        for works in (first, second):
            recorder = works.recorder
            assert recorder._share is not None
            recorder._share.over.set()
            recorder._share = Share(works.sources.all_partitions())
            recorder._given.set()
        messages = await traffic(rig)
        await assert_exactly_once(rig, messages)


async def test_a_batch_from_positions_that_have_moved_is_refused(rig: Rig) -> None:
    async with rig.recorder("r1") as process:
        message = rig.message()
        await rig.put(rig.topics.mt("alpha", 0), 0, message)
        await rig.until("select count(*) from messages", 1)
        await working(process)
        stale = Batch(spans={TopicPartition(rig.topics.mt("alpha", 0), 0): (0, 1)})
        settings = rig.settings("r2")
        other = assemble(settings, rig.book, await find_sources(settings, rig.book))
        with pytest.raises(Moved):
            await other.projector.project(stale)
        await other.projection.close()


async def test_postgres_may_be_away_and_comes_back(kafka_bootstrap: str, topic_prefix: str, server_home: Path) -> None:
    postgres = PostgresServer(server_home / "postgres", server_home / "postgres.log")
    await postgres.start()
    try:
        async with rig_over(kafka_bootstrap, topic_prefix, postgres.dsn) as rig, rig.recorder() as process:
            messages = await traffic(rig, 20)
            await rig.until("select count(*) from messages where status = 80", 20)
            await postgres.kill()
            messages += await traffic(rig, 40, 20)
            recorder = (await working(process)).recorder
            await eventually(lambda: recorder.postgres_check() is not None)
            assert "Postgres is not reachable" in (recorder.postgres_check() or "")
            await postgres.start()
            await assert_exactly_once(rig, messages)
            await eventually(lambda: recorder.postgres_check() is None)
    finally:
        await postgres.stop()


async def test_a_recorder_waits_for_its_topics_and_for_the_schema(
    kafka_bootstrap: str, topic_prefix: str, postgres_dsn: str
) -> None:
    rig = Rig(kafka_bootstrap, topic_prefix, postgres_dsn)
    message = rig.message()
    health = Health()
    process = RecorderProcess(rig.settings("early"), lambda: rig.book, health)
    task = asyncio.create_task(process.run())
    await eventually(lambda: "smpp-dispatch topics" in health.faults().get("kafka", ""))
    await rig.make_topics()
    await eventually(lambda: "smpp-dispatch migrate" in health.faults().get("postgres", ""))
    await rig.start()
    await rig.put(rig.topics.mt("alpha", 0), 0, message)
    await rig.until("select count(*) from messages", 1)
    await eventually(lambda: not health.faults())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await rig.stop()


async def test_a_carrier_that_comes_later_is_recorded_and_one_that_goes_is_read_to_its_end(
    kafka_bootstrap: str, topic_prefix: str, postgres_dsn: str, tmp_path: Path
) -> None:
    file = tmp_path / "carriers.toml"
    file.write_text("# one carrier")
    async with rig_over(kafka_bootstrap, topic_prefix, postgres_dsn) as rig:
        both, beta = rig.book, CarrierBook(carriers={"beta": rig.book.carriers["beta"]})
        rig.book = CarrierBook(carriers={"alpha": rig.book.carriers["alpha"]})
        first, second, third = rig.message(1, "alpha"), rig.message(2, "beta"), rig.message(3, "alpha")
        async with rig.recorder(carriers_file=str(file)):
            await rig.put(rig.topics.mt("alpha", 0), 0, first)
            await rig.until("select count(*) from messages", 1)
            rig.book = both
            file.write_text("# two carriers")
            await rig.put(rig.topics.mt("beta", 0), 0, second)
            await rig.until("select count(*) from messages", 2)
            rig.book = beta
            file.write_text("# the other one")
            await rig.put(rig.topics.mt("alpha", 0), 0, third)
            await rig.until("select count(*) from messages", 3)


async def test_an_answer_is_a_row_within_a_quarter_of_a_second(rig: Rig) -> None:
    """submit_sm_resp → row, unloaded, with the default gathering time."""
    times = []
    async with rig.recorder(recorder_batch_ms=100):
        warm = rig.message(999)
        await rig.put(rig.topics.mt("alpha", 0), 0, warm)
        await rig.until("select count(*) from messages", 1)
        for number in range(30):
            message = rig.message(number)
            await rig.put(rig.topics.mt("alpha", 0), number % 3, message)
            await rig.until("select status from messages where id = $1", 20, message.id)
            outcome: SubmitOutcome = rig.outcome(message, number=number)
            started = time.perf_counter()
            await rig.put(rig.topics.outcomes("alpha"), number % 3, outcome)
            await rig.until("select status from messages where id = $1", 40, message.id)
            times.append(time.perf_counter() - started)
    times.sort()
    print(f"resp to row: p50 {times[15] * 1000:.0f} ms, max {times[-1] * 1000:.0f} ms")
    assert times[15] < 0.25
