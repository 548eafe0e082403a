"""The read side: what is shown of a message, and to whom."""

from __future__ import annotations

import dataclasses
from typing import Any

import httpx
import pytest

from api.views import BatchView, MessagePage, MessageView
from schemas.ids import DAY_MS, at_day, from_text, keyed_id, random_ids, to_text
from schemas.status import Status
from store.rows import Attempt, BatchRow, Event, MessageFilter, MessageRow, Part
from tests.unit.api.stage import NOW_MS, Stage, problem

FULL = {"to": "+8613800000000", "sender": "Acme", "text": "Hello"}


async def sent(stage: Stage, **changes: Any) -> MessageRow:
    await stage.send(client_ref="o-1", tags=["t"], metadata={"k": "v"}, campaign_id="c")
    return stage.project(stage.published()[-1], **changes)


async def test_a_message_is_shown_with_all_that_happened_to_it() -> None:
    stage = Stage()
    row = await sent(
        stage,
        status=Status.DELIVERED,
        attempts=(Attempt(1, "alpha", (Part(1, "5f", "DELIVRD"), Part(2, "60", ""))),),
        timeline=(Event(NOW_MS, "queued", {}), Event(NOW_MS + 1, "sent", {"carrier": "alpha"})),
    )
    response = await stage.client.get(f"/v1/messages/{to_text(row.id)}")
    body = response.json()
    MessageView.model_validate(body)
    assert {name: body[name] for name in FULL} == FULL
    assert (body["status"], body["is_final"], body["error"], body["batch_id"]) == ("delivered", True, None, None)
    assert (body["tags"], body["metadata"], body["campaign_id"]) == (["t"], {"k": "v"}, "c")
    assert body["attempts"] == [
        {
            "n": 1,
            "carrier": "alpha",
            "parts": [
                {"part": 1, "smsc_message_id": "5f", "state": "DELIVRD"},
                {"part": 2, "smsc_message_id": "60", "state": None},
            ],
        }
    ]
    assert [(event["at"][-5:], event["type"]) for event in body["timeline"]] == [(".000Z", "queued"), (".001Z", "sent")]


async def test_without_the_scope_the_number_is_masked_and_the_text_is_not_there() -> None:
    stage = Stage()
    row = await sent(stage)
    client = stage.client_of(stage.key("read"))
    for path in (f"/v1/messages/{to_text(row.id)}", "/v1/messages"):
        body = (await client.get(path)).json()
        found = body["data"][0] if "data" in body else body
        assert (found["to"], found["sender"], found["text"]) == ("+861380****000", "Acme", None)


async def test_a_sender_that_is_a_long_number_is_masked_too() -> None:
    stage = Stage()
    await stage.send(sender="447700900123")
    row = stage.project(stage.published()[-1])
    body = (await stage.client_of(stage.key("read")).get(f"/v1/messages/{to_text(row.id)}")).json()
    assert body["sender"] == "+447700****123"


async def test_what_no_key_opens_is_shown_without_content() -> None:
    stage = Stage()
    row = await sent(stage)
    stage.reads.messages[row.id] = dataclasses.replace(row, sealed=b"\x01\x09" + b"x" * 40)
    body = (await stage.client.get(f"/v1/messages/{to_text(row.id)}")).json()
    assert (body["to"], body["sender"], body["text"]) == (None, None, None)


@pytest.mark.parametrize(
    ("code", "permanent", "mender"), [("invalid_destination", True, "sender"), ("code_of_tomorrow", False, "operator")]
)
async def test_a_failed_message_says_why_and_who_can_mend_it(code: str, permanent: bool, mender: str) -> None:
    stage = Stage()
    row = await sent(stage, status=Status.FAILED, error_code=code, carrier_status=11, carrier_error="034")
    error = (await stage.client.get(f"/v1/messages/{to_text(row.id)}")).json()["error"]
    assert (error["code"], error["permanent"], error["mender"]) == (code, permanent, mender)
    assert (error["carrier_status"], error["carrier_error"]) == ("0x0000000B", "034")


async def test_another_accounts_message_is_not_there() -> None:
    stage = Stage()
    row = await sent(stage)
    client = stage.client_of(stage.key("read", account="other"))
    problem(await client.get(f"/v1/messages/{to_text(row.id)}"), 404, "not_visible_yet")


@pytest.mark.parametrize("where", ["messages", "batches"])
async def test_an_id_of_today_may_not_be_visible_yet(where: str) -> None:
    stage = Stage()
    for one in (random_ids(NOW_MS, b"e" * 10)[0], keyed_id(b"s", "a", "k", 0, NOW_MS)):
        response = await stage.client.get(f"/v1/{where}/{to_text(one)}")
        assert response.headers["retry-after"] == "1"
        assert problem(response, 404, "not_visible_yet")["retryable"]


@pytest.mark.parametrize("where", ["messages", "batches"])
async def test_an_old_id_or_none_of_ours_is_not_found(where: str) -> None:
    stage = Stage()
    fresh = random_ids(NOW_MS, b"e" * 10)[0]
    ids = [to_text(at_day(fresh, NOW_MS - DAY_MS)), to_text(at_day(fresh, NOW_MS + DAY_MS))]
    for one in (*ids, "x", "00000000-0000-4000-8000-000000000000"):
        problem(await stage.client.get(f"/v1/{where}/{one}"), 404, "not_found")


async def test_a_list_asks_for_what_the_query_says() -> None:
    stage = Stage()
    row = await sent(stage)
    batch = random_ids(NOW_MS, b"b" * 10)[0]
    response = await stage.client.get(
        "/v1/messages",
        params={
            "status": "delivered",
            "class": "otp",
            "carrier": "alpha",
            "to": "+86 138 0000 0000",
            "client_ref": "r",
            "batch_id": to_text(batch),
            "tag": "t",
            "from": "2026-01-01T00:00:00Z",
            "until": "2026-01-01T01:00:00.250+01:00",
            "cursor": "c",
            "limit": "7",
        },
    )
    body = response.json()
    MessagePage.model_validate(body)
    assert ([one["id"] for one in body["data"]], body["next_cursor"]) == ([to_text(row.id)], "more")
    start = 1_767_225_600_000
    wanted = MessageFilter(
        status=Status.DELIVERED,
        cls=0,
        carrier="alpha",
        destination_index=stage.blind.of_account("shop", "8613800000000"),
        client_ref="r",
        batch=batch,
        tag="t",
        from_ms=start,
        until_ms=start + 250,
    )
    assert stage.reads.asked[-1] == ("list", "shop", wanted, "c", 7)


async def test_a_plus_that_was_not_escaped_is_understood() -> None:
    stage = Stage()
    assert (await stage.client.get("/v1/messages?to=+8613800000000")).status_code == 200
    assert stage.reads.asked[-1][2].destination_index == stage.blind.of_account("shop", "8613800000000")


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("limit=501", "invalid_field", "limit"),
        ("limit=x", "invalid_field", "limit"),
        ("status=gone", "invalid_field", "status"),
        ("class=urgent", "invalid_field", "class"),
        ("to=123", "invalid_number", "to"),
        ("from=yesterday", "invalid_field", "from"),
        ("from=2026-01-01T00:00:00", "invalid_field", "from"),
        ("batch_id=x", "invalid_field", "batch_id"),
        ("cursor=broken", "invalid_field", "cursor"),
        ("tag=a%00b", "invalid_field", "tag"),
        ("client_reff=x", "unknown_field", "client_reff"),
    ],
)
async def test_a_query_that_is_wrong_is_told_so(query: str, code: str, field: str) -> None:
    body = problem(await Stage().client.get(f"/v1/messages?{query}"), 422, code)
    assert body["errors"][0]["field"] == field


async def test_a_misspelt_filter_gets_a_hint() -> None:
    body = problem(await Stage().client.get("/v1/messages?client_reff=x"), 422, "unknown_field")
    assert "`client_ref`" in body["detail"]


async def test_a_batch_is_shown_with_its_counts() -> None:
    stage = Stage()
    answer = (await stage.batch([{"to": "+8613800000000"}], name="March")).json()
    one = from_text(answer["batch_id"])
    counts = {Status.DELIVERED: 1, Status.QUEUED: 0}
    stage.reads.batches[one] = BatchRow(one, "shop", "March", 1, 1, 0, NOW_MS, True, counts)
    body = (await stage.client.get(f"/v1/batches/{answer['batch_id']}")).json()
    BatchView.model_validate(body)
    assert (body["name"], body["total"], body["counts"]) == ("March", 1, {"delivered": 1, "queued": 0})


async def test_without_postgres_questions_are_unavailable_and_sending_goes_on() -> None:
    stage = Stage()
    stage.services.health.note("reads", lambda: stage.services.watch.fault)
    stage.reads.away = True
    one = to_text(random_ids(NOW_MS, b"e" * 10)[0])
    for path in (f"/v1/messages/{one}", "/v1/messages", f"/v1/batches/{one}", "/v1/in-doubt"):
        response: httpx.Response = await stage.client.get(path)
        assert response.headers["retry-after"] == "2"
        problem(response, 503, "read_unavailable")
        assert "10.0.0.7" not in response.text, "an operator's sentence is none of a sender's business"
    assert (await stage.send(key="k")).status_code == 202
    ready = await stage.client.get("/readyz")
    assert (ready.status_code, "Postgres is not reachable" in ready.text) == (200, True)
    stage.reads.away = False
    await stage.client.get("/v1/messages")
    assert (await stage.client.get("/readyz")).text == "ready\n"
