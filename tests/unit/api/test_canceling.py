"""Cancellations and batches' switches: kept in `reference`, also without Postgres, and never for another account."""

from __future__ import annotations

from typing import Any

import pytest

from policy.gate import GO, Defer, Drop, gate
from policy.reference import Reference
from schemas.codec import encode
from schemas.ids import DAY_MS, at_day, from_text, random_ids, to_text
from schemas.records import BatchSwitch, Cancellation
from schemas.status import Status
from store.rows import BatchRow
from tests.unit.api.stage import NOW_MS, Stage, problem


async def accepted(stage: Stage) -> str:
    return str((await stage.send()).json()["id"])


def facts_of(stage: Stage) -> Reference:
    """What a lane makes of the topic."""
    known = Reference()
    for key, record in stage.referred().items():
        known.apply(key, encode(record))
    return known


async def test_a_message_that_waits_is_canceled() -> None:
    stage = Stage()
    one = await accepted(stage)
    (message,) = stage.published()
    stage.project(message)
    response = await stage.client.post(f"/v1/messages/{one}/cancel", json={"reason": "sent by mistake"})
    assert (response.status_code, response.json()) == (202, {"id": one, "status": "queued"})
    record = stage.referred()[f"cancel/{one}/shop".encode()]
    assert isinstance(record, Cancellation)
    assert (record.id, record.account, record.act.reason) == (message.id, "shop", "sent by mistake")
    assert gate(message, facts_of(stage).facts, NOW_MS) == Drop("canceled")


@pytest.mark.parametrize("content", [b"", b" ", b"{}", b'{"reason":""}'])
async def test_a_reason_need_not_be_given(content: bytes) -> None:
    stage = Stage()
    one = await accepted(stage)
    headers = {"Content-Type": "application/json"} if content.strip() else {}
    assert (await stage.client.post(f"/v1/messages/{one}/cancel", content=content, headers=headers)).status_code == 202


async def test_a_cancellation_needs_no_postgres_and_not_that_the_message_is_visible() -> None:
    stage = Stage()
    one = await accepted(stage)
    for away in (False, True):
        stage.reads.away = away
        response = await stage.client.post(f"/v1/messages/{one}/cancel")
        assert (response.status_code, response.json()) == (202, {"id": one, "status": None})
    assert len(stage.referred()) == 1, "to repeat it is harmless"


async def test_what_is_over_can_not_be_canceled_and_what_is_canceled_is() -> None:
    stage = Stage()
    one = await accepted(stage)
    (message,) = stage.published()
    for status in (Status.DELIVERED, Status.FAILED, Status.EXPIRED, Status.BLOCKED, Status.UNDELIVERED):
        stage.project(message, status=status)
        body = problem(await stage.client.post(f"/v1/messages/{one}/cancel"), 409, "already_final")
        assert status.label in body["detail"]
    stage.project(message, status=Status.CANCELED)
    response = await stage.client.post(f"/v1/messages/{one}/cancel")
    assert (response.status_code, response.json()["status"], stage.referred()) == (202, "canceled", {})
    stage.project(message, status=Status.SENT)
    assert (await stage.client.post(f"/v1/messages/{one}/cancel")).json()["status"] == "sent"


async def test_an_id_that_was_never_given_out_is_not_found() -> None:
    stage = Stage()
    old = to_text(at_day(random_ids(NOW_MS, b"e" * 10)[0], NOW_MS - 3 * DAY_MS))
    for one in (old, "x"):
        problem(await stage.client.post(f"/v1/messages/{one}/cancel"), 404, "not_found")
        for action in ("pause", "resume", "cancel"):
            problem(await stage.client.post(f"/v1/batches/{one}/{action}"), 404, "not_found")
    assert stage.referred() == {}


async def test_another_accounts_cancellation_neither_holds_nor_replaces_the_owners() -> None:
    stage = Stage()
    stage.reads.away = True
    one = await accepted(stage)
    (message,) = stage.published()
    other = stage.client_of(stage.key("send", account="bank"))
    assert (await other.post(f"/v1/messages/{one}/cancel")).status_code == 202
    assert gate(message, facts_of(stage).facts, NOW_MS) is GO
    await stage.client.post(f"/v1/messages/{one}/cancel")
    assert (await other.post(f"/v1/messages/{one}/cancel")).status_code == 202
    assert gate(message, facts_of(stage).facts, NOW_MS) == Drop("canceled")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"reason": 1}, "invalid_field"),
        ({"reason": "x" * 201}, "invalid_field"),
        ({"raison": "x"}, "unknown_field"),
        ([], "invalid_field"),
    ],
)
async def test_a_note_that_is_wrong_is_refused(body: Any, code: str) -> None:
    stage = Stage()
    one = await accepted(stage)
    problem(await stage.client.post(f"/v1/messages/{one}/cancel", json=body), 422, code)
    assert stage.referred() == {}


async def test_a_cancellation_that_kafka_does_not_confirm_is_not_promised() -> None:
    stage = Stage()
    one = await accepted(stage)
    stage.cluster.hold_publishes = True
    problem(await stage.client.post(f"/v1/messages/{one}/cancel"), 503, "not_recorded")


async def test_a_reader_cancels_nothing() -> None:
    stage = Stage()
    one = await accepted(stage)
    problem(await stage.client_of(stage.key("read")).post(f"/v1/messages/{one}/cancel"), 403, "forbidden")


# ---- batches


async def batch_of(stage: Stage) -> str:
    answer = await stage.batch([{"to": "+8613800000000"}, {"to": "+8613800000001"}])
    return str(answer.json()["batch_id"])


def project_batch(stage: Stage, one: str, account: str = "shop") -> None:
    id = from_text(one)
    stage.reads.batches[id] = BatchRow(id, account, "b", 2, 2, 0, NOW_MS, True, {Status.QUEUED: 2})


async def test_a_batch_is_paused_resumed_and_canceled() -> None:
    stage = Stage()
    one = await batch_of(stage)
    project_batch(stage, one)
    message = stage.published()[0]
    for action, state, decision in (
        ("pause", "paused", Defer(0, "batch_paused")),
        ("resume", "active", GO),
        ("pause", "paused", Defer(0, "batch_paused")),
        ("cancel", "canceled", Drop("batch_canceled")),
    ):
        response = await stage.client.post(f"/v1/batches/{one}/{action}", json={"reason": f"to {action}"})
        body = response.json()
        assert (response.status_code, body["batch_id"], body["state"], body["reason"]) == (
            202,
            one,
            state,
            f"to {action}",
        )
        assert gate(message, facts_of(stage).facts, NOW_MS) == decision
        shown = (await stage.client.get(f"/v1/batches/{one}")).json()
        assert (shown["state"], shown["counts"]) == (state, {"queued": 2})


async def test_a_canceled_batch_stays_canceled() -> None:
    stage = Stage()
    one = await batch_of(stage)
    await stage.client.post(f"/v1/batches/{one}/cancel")
    for action in ("resume", "pause"):
        problem(await stage.client.post(f"/v1/batches/{one}/{action}"), 409, "batch_canceled")
    assert (await stage.client.post(f"/v1/batches/{one}/cancel")).status_code == 202


async def test_a_batch_is_switched_without_postgres_and_by_its_owner_only() -> None:
    stage = Stage()
    stage.reads.away = True
    one = await batch_of(stage)
    message = stage.published()[0]
    other = stage.client_of(stage.key("send", account="bank"))
    assert (await other.post(f"/v1/batches/{one}/cancel")).status_code == 202
    assert gate(message, facts_of(stage).facts, NOW_MS) is GO
    assert (await stage.client.post(f"/v1/batches/{one}/pause")).json()["state"] == "paused"
    assert (await other.post(f"/v1/batches/{one}/cancel")).status_code == 202
    assert gate(message, facts_of(stage).facts, NOW_MS) == Defer(0, "batch_paused")
    assert {
        (record.account, record.state) for record in stage.referred().values() if isinstance(record, BatchSwitch)
    } == {
        ("bank", "canceled"),
        ("shop", "paused"),
    }


async def test_a_postgres_that_hangs_does_not_hold_up_a_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    stage = Stage()
    one = await batch_of(stage)

    async def never(*_: Any) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr("api.readside.GUESS_S", 0.01)
    monkeypatch.setattr(stage.reads, "get_batch", never)
    assert (await stage.client.post(f"/v1/batches/{one}/pause")).status_code == 202
    assert stage.services.watch.fault is not None
