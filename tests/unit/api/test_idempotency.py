"""Idempotency-Key: one key, one body, one message, whatever happens in between."""

from __future__ import annotations

import asyncio

import pytest

from api.idempotency import KeyedLookups, KeyedNames, RecentKeys, both_days
from runtime.clock import ManualClock
from runtime.errors import UnavailableError
from schemas.ids import DAY_MS, from_text, identity, is_keyed
from store.rows import KeyedRow
from tests.unit.api.stage import NOW_MS, Stage, problem


async def test_a_repeat_gets_the_very_same_answer_and_publishes_nothing() -> None:
    stage = Stage()
    first = await stage.send(key="k1")
    stage.clock.advance(5)
    second = await stage.send(key="k1")
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.content == second.content
    assert first.headers["location"] == second.headers["location"]
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    (message,) = stage.published()
    assert is_keyed(message.id)
    assert message.body_hash is not None


async def test_a_quoted_key_is_the_same_key() -> None:
    stage = Stage()
    assert (await stage.send(key="k1")).json()["id"] == (await stage.send(key='"k1"')).json()["id"]


async def test_another_process_gives_the_same_id() -> None:
    first, second = await Stage().send(key="k1"), await Stage().send(key="k1")
    assert first.json()["id"] == second.json()["id"]


async def test_keys_of_other_accounts_are_other_keys() -> None:
    stage = Stage()
    other = stage.client_of(stage.key("send", account="other"))
    first = await stage.send(key="k1")
    second = await other.post(
        "/v1/messages", json={"to": "+8613800000000", "text": "b", "sender": "A"}, headers={"Idempotency-Key": "k1"}
    )
    assert second.status_code == 202
    assert first.json()["id"] != second.json()["id"]


async def test_a_key_with_another_body_is_refused() -> None:
    stage = Stage()
    await stage.send(key="k1")
    problem(await stage.send(key="k1", text="other"), 422, "idempotency_key_reused")
    assert len(stage.published()) == 1


async def test_a_key_that_was_used_for_a_message_is_refused_for_a_batch() -> None:
    stage = Stage()
    await stage.send(key="k1")
    problem(await stage.batch([{"to": "+8613800000000"}], key="k1"), 422, "idempotency_key_reused")


async def test_of_two_bodies_that_come_at_once_with_one_key_one_gets_through() -> None:
    stage = Stage()
    answers = await asyncio.gather(*(stage.send(key="k1", text=text) for text in ("a", "b")))
    assert sorted(answer.status_code for answer in answers) == [202, 422]
    assert len({message.id for message in stage.published()}) == 1


async def test_a_body_that_was_refused_may_be_corrected_under_its_key() -> None:
    stage = Stage()
    problem(await stage.send(key="k1", to="+86138"), 422, "invalid_number")
    assert (await stage.send(key="k1")).status_code == 202
    problem(await stage.batch([{"to": "+86138"}], key="k2"), 422, "no_valid_messages")
    assert (await stage.batch([{"to": "+8613800000000"}], key="k2")).status_code == 202


async def test_what_timed_out_is_sent_again_under_the_same_id() -> None:
    stage = Stage(timeout_s=0.02)
    stage.cluster.hold_publishes = True
    problem(await stage.send(key="k1"), 503, "intake_unavailable")
    stage.cluster.hold_publishes = False
    await stage.drained()
    stage.clock.advance(400)  # past the time to live of the first try
    response = await stage.send(key="k1")
    assert response.status_code == 202
    assert "idempotency-replayed" not in response.headers
    messages = stage.published()
    assert {message.id for message in messages} == {from_text(response.json()["id"])}
    assert messages[-1].accepted_ms == NOW_MS + 400_000, "its time to live starts anew"


async def test_the_projection_answers_repeats_over_a_restart() -> None:
    stage, later = Stage(), Stage()
    first = await stage.send(key="k1", client_ref="r")
    row = stage.project(stage.published()[0])
    later.reads = stage.reads
    later.desk.reads = stage.reads
    later.desk.lookups = KeyedLookups(stage.reads.find_keyed, later.clock)
    later.clock.advance(30)
    second = await later.send(key="k1", client_ref="r")
    assert second.headers["idempotency-replayed"] == "true"
    assert second.json() == first.json()
    assert second.headers["location"] == first.headers["location"]
    assert later.published() == []
    problem(await later.send(key="k1", client_ref="other"), 422, "idempotency_key_reused")
    assert row.body_hash is not None


async def test_a_repeat_after_midnight_gets_yesterdays_id() -> None:
    stage, later = Stage(), Stage()
    first = await stage.send(key="k1")
    stage.project(stage.published()[0])
    later.desk.reads = stage.reads
    later.desk.lookups = KeyedLookups(stage.reads.find_keyed, later.clock)
    later.clock.advance(DAY_MS / 1000)
    assert (await later.send(key="k1")).json()["id"] == first.json()["id"]
    assert later.published() == []


async def test_without_postgres_a_repeat_is_published_again_under_its_id_for_the_lane_to_drop() -> None:
    stage, other = Stage(), Stage()
    other.reads.away = True
    await stage.send(key="k1")
    response = await other.send(key="k1")
    assert response.status_code == 202
    assert [message.id for message in other.published()] == [message.id for message in stage.published()]


async def test_an_outcome_that_is_there_before_its_message_is_no_replay() -> None:
    stage = Stage()
    message_id = KeyedNames(stage.blind.key, "shop", "k1", NOW_MS).of(0)
    stage.reads.keyed[message_id] = KeyedRow(message_id, None)
    response = await stage.send(key="k1")
    assert "idempotency-replayed" not in response.headers
    assert len(stage.published()) == 1


async def test_a_repeated_batch_publishes_what_is_missing_only() -> None:
    stage, later = Stage(), Stage()
    rows = [{"to": f"+86138000000{number:02d}"} for number in range(20)]
    first = await stage.batch(rows, key="k1")
    missing = stage.published()[7]
    for message in stage.published():
        if message.id != missing.id:
            stage.project(message)
    later.desk.lookups = KeyedLookups(stage.reads.find_keyed, later.clock)
    later.clock.advance(DAY_MS / 1000)
    second = await later.batch(rows, key="k1")
    assert second.json()["results"] == first.json()["results"]
    assert second.json()["batch_id"] == first.json()["batch_id"]
    assert "idempotency-replayed" not in second.headers
    assert [message.id for message in later.published()] == [missing.id]


async def test_a_batch_that_is_known_whole_is_replayed() -> None:
    stage, later = Stage(), Stage()
    rows = [{"to": f"+86138000000{number:02d}"} for number in range(20)]
    first = await stage.batch(rows, key="k1")
    for message in stage.published():
        stage.project(message)
    later.desk.lookups = KeyedLookups(stage.reads.find_keyed, later.clock)
    second = await later.batch(rows, key="k1")
    assert second.headers["idempotency-replayed"] == "true"
    assert second.json() == first.json()
    assert (later.published(), later.batches()) == ([], [])
    problem(await later.batch(rows[:5], key="k1"), 422, "idempotency_key_reused")


async def test_look_ups_of_a_moment_are_one_question() -> None:
    asked: list[list[bytes]] = []

    async def find(ids: list[bytes]) -> dict[bytes, KeyedRow]:
        asked.append(ids)
        return {one: KeyedRow(one, b"h") for one in ids}

    lookups = KeyedLookups(find, ManualClock())
    ids = [KeyedNames(b"s", "a", str(number), NOW_MS).of(0) for number in range(50)]
    answers = await asyncio.gather(*(lookups.find([one]) for one in ids))
    assert len(asked) == 1
    assert set(asked[0]) == set(both_days(ids))
    assert [set(answer) for answer in answers] == [set(both_days([one])) for one in ids]


async def test_those_who_ask_while_a_question_is_out_share_the_next_one() -> None:
    asked: list[list[bytes]] = []
    answer = asyncio.Event()

    async def find(ids: list[bytes]) -> dict[bytes, KeyedRow]:
        asked.append(ids)
        await answer.wait()
        return {one: KeyedRow(one, b"h") for one in ids}

    lookups = KeyedLookups(find, ManualClock())
    ids = [KeyedNames(b"s", "a", str(number), NOW_MS).of(0) for number in range(5)]
    first = asyncio.create_task(lookups.find(ids[:1]))
    while not asked:
        await asyncio.sleep(0.001)
    others = [asyncio.create_task(lookups.find([one])) for one in ids[1:]]
    await asyncio.sleep(0.01)
    assert len(asked) == 1
    answer.set()
    assert set(await first) == set(both_days(ids[:1]))
    assert [set(await other) for other in others] == [set(both_days([one])) for one in ids[1:]]
    assert [set(some) for some in asked] == [set(both_days(ids[:1])), set(both_days(ids[1:]))]


async def test_a_question_holds_so_many_ids_and_the_rest_go_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    async def find(ids: list[bytes]) -> dict[bytes, KeyedRow]:
        asked.append(len(ids))
        return {}

    monkeypatch.setattr("api.idempotency.MAX_IDS_A_QUERY", 4)
    lookups = KeyedLookups(find, ManualClock())
    ids = [KeyedNames(b"s", "a", str(number), NOW_MS).of(0) for number in range(6)]
    await asyncio.gather(lookups.find(ids[:1]), lookups.find(ids[1:2]), lookups.find(ids[2:]))
    assert asked == [4, 8]


async def test_a_projection_that_hangs_is_waited_for_once_by_all(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    async def find(_ids: list[bytes]) -> dict[bytes, KeyedRow]:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr("api.idempotency.LOOKUP_S", 0.05)
    lookups = KeyedLookups(find, ManualClock())
    first = asyncio.create_task(lookups.find([b"i" * 16]))
    while not asked:
        await asyncio.sleep(0.001)
    later = asyncio.create_task(lookups.find([b"j" * 16]))
    assert (await first, await later, asked) == ({}, {}, 1)


async def test_a_projection_that_hangs_costs_a_moment_and_is_left_alone_then(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    async def find(_ids: list[bytes]) -> dict[bytes, KeyedRow]:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr("api.idempotency.LOOKUP_S", 0.01)
    clock = ManualClock()
    lookups = KeyedLookups(find, clock)
    assert await lookups.find([b"i" * 16]) == {}
    assert await lookups.find([b"i" * 16]) == {}
    assert asked == 1
    clock.advance(1.1)
    assert await lookups.find([b"i" * 16]) == {}
    assert asked == 2


async def test_a_projection_that_is_away_is_no_fault() -> None:
    async def find(_ids: list[bytes]) -> dict[bytes, KeyedRow]:
        raise UnavailableError("away")

    assert await KeyedLookups(find, ManualClock()).find([b"i" * 16]) == {}


def test_ids_of_a_key_differ_by_index_and_agree_over_days() -> None:
    today, tomorrow = KeyedNames(b"s", "a", "k", NOW_MS), KeyedNames(b"s", "a", "k", NOW_MS + DAY_MS)
    ids = [*today.messages(0, 3), today.batch()]
    assert len(set(ids)) == 4
    assert [identity(one) for one in ids] == [identity(one) for one in (*tomorrow.messages(0, 3), tomorrow.batch())]


def test_the_memory_of_keys_is_bounded() -> None:
    recent = RecentKeys(most=3)
    for number in range(5):
        recent.claim("a", str(number), b"h", 0)
    assert recent.claim("a", "0", b"other", 0)[1], "the oldest is forgotten"
    assert not recent.claim("a", "4", b"h", 0)[1]
