"""POST /v1/messages: what is answered, and what is in Kafka then."""

from __future__ import annotations

import pytest

from api.answers import MessageAccepted
from schemas.ids import from_text, is_keyed
from schemas.sealing import partition_of
from tests.unit.api.stage import NOW_MS, SEND, TOPICS, Stage, problem


async def test_the_answer_tells_what_the_record_says() -> None:
    stage = Stage()
    response = await stage.send(client_ref="o-1")
    assert response.status_code == 202
    body = response.json()
    MessageAccepted.model_validate(body)
    (message,) = stage.published()
    assert from_text(body["id"]) == message.id
    assert not is_keyed(message.id)
    assert response.headers["location"] == f"/v1/messages/{body['id']}"
    assert body == {
        "id": body["id"],
        "status": "queued",
        "class": "notice",
        "carrier": "alpha",
        "encoding": "gsm7",
        "segments": 1,
        "price": {"amount": "0.0320", "currency": "USD"},
        "accepted_at": "2026-09-21T14:13:20.000Z",
        "send_at": None,
        "expires_at": "2026-09-22T14:13:20.000Z",
        "client_ref": "o-1",
    }
    assert (message.account, message.cls, message.accepted_ms, message.expires_ms) == (
        "shop",
        1,
        NOW_MS,
        NOW_MS + 86_400_000,
    )
    assert (message.price_micros, message.max_segments, message.test, message.extras) == (32_000, 10, False, None)


async def test_the_record_is_sealed_and_goes_where_its_number_says() -> None:
    stage = Stage()
    await stage.send(text="Secret 4711", **{"class": "otp"})
    index = stage.blind.of("8613800000000")
    ((record,),) = [
        log for tp, log in stage.cluster.logs.items() if tp == (TOPICS.mt("alpha", 0), partition_of(index, 12))
    ]
    assert record.key == index
    assert b"4711" not in (record.value or b"")
    assert b"138000" not in (record.value or b"")
    (message,) = stage.published()
    assert stage.sealer.open(message.id, message.sealed) == ("8613800000000", "Acme", "Secret 4711")
    assert message.index == stage.blind.of_account("shop", "8613800000000")


@pytest.mark.parametrize(("cls", "ttl_s"), [("otp", 300), ("notice", 86_400), ("marketing", 86_400)])
async def test_a_class_has_its_own_time_to_live(cls: str, ttl_s: int) -> None:
    stage = Stage()
    assert (await stage.send(**{"class": cls})).status_code == 202
    (message,) = stage.published()
    assert message.expires_ms - message.accepted_ms == ttl_s * 1000


async def test_everything_that_was_given_travels() -> None:
    stage = Stage()
    given = {"ttl_s": 60, "campaign_id": "spring", "tags": ["a", "b"], "metadata": {"k": "v"}, "max_segments": 2}
    assert (await stage.send(client_ref="r", encoding="ucs2", **given)).status_code == 202
    (message,) = stage.published()
    assert message.extras is not None
    assert (message.extras.campaign, message.extras.tags, message.extras.metadata) == ("spring", ("a", "b"), {"k": "v"})
    assert (message.client_ref, message.mode, message.alphabet, message.max_segments) == ("r", 2, 1, 2)
    assert message.expires_ms - message.accepted_ms == 60_000


@pytest.mark.parametrize(
    ("text", "encoding", "to", "told"),
    [
        ("x" * 161, "auto", "+8613800000000", ("gsm7", 2)),
        ("你好", "auto", "+8613800000000", ("ucs2", 1)),
        ("“quoted”", "smart", "+8613800000000", ("gsm7", 1)),
        ("ê", "auto", "+4915112345678", ("latin1", 1)),
    ],
)
async def test_segments_are_those_of_the_carrier_that_takes_it(
    text: str, encoding: str, to: str, told: tuple[str, int]
) -> None:
    stage = Stage()
    body = (await stage.send(text=text, encoding=encoding, to=to, **{"class": "otp"})).json()
    assert (body["encoding"], body["segments"]) == told


async def test_the_price_is_for_all_segments() -> None:
    stage = Stage()
    body = (await stage.send(to="+447700900123", text="x" * 400)).json()
    assert (body["carrier"], body["segments"], body["price"]["amount"]) == ("beta", 3, "0.0123")


async def test_a_test_key_reaches_test_carriers_only() -> None:
    stage = Stage()
    client = stage.client_of(stage.key("send", live=False))
    assert (await client.post("/v1/messages", json=SEND)).json()["carrier"] == "alpha"
    assert stage.published()[0].test
    body = problem(await client.post("/v1/messages", json={**SEND, "to": "+447700900123"}), 422, "no_route")
    assert "test key" in body["detail"]


async def test_numbers_are_taken_as_people_write_them() -> None:
    stage = Stage()
    for typed in ("+86 138-0000-0000", "008613800000000"):
        assert (await stage.send(to=typed)).status_code == 202
    assert {stage.sealer.open(each.id, each.sealed).destination for each in stage.published()} == {"8613800000000"}


async def test_preview_sends_nothing_and_tells_all() -> None:
    stage = Stage()
    text = "x" * 153 + "y" * 20
    response = await stage.client.post("/v1/messages/preview", json={**SEND, "text": text})
    assert response.status_code == 200
    body = response.json()
    assert [part["text"] for part in body["parts"]] == ["x" * 153, "y" * 20]
    assert body["route"] == {"carrier": "alpha", "fallback": ["beta"]}
    assert (body["segments"], body["price"], body["verdicts"]) == (2, {"amount": "0.0640", "currency": "USD"}, [])
    assert stage.published() == []


async def test_preview_shows_what_smart_encoding_makes_of_a_text() -> None:
    stage = Stage()
    body = {**SEND, "text": "“Hi”", "encoding": "smart"}
    assert (await stage.client.post("/v1/messages/preview", json=body)).json()["parts"] == [{"part": 1, "text": '"Hi"'}]


async def test_preview_of_a_long_text_that_the_carrier_takes_whole_is_one_part() -> None:
    stage = Stage()
    body = {**SEND, "to": "+447700900123", "text": "x" * 200}
    found = (await stage.client.post("/v1/messages/preview", json=body)).json()
    assert (found["segments"], found["parts"]) == (2, [{"part": 1, "text": "x" * 200}])
