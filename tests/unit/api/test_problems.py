"""Every error that the API can answer, as a client meets it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from api.problems import PROBLEMS, Refusal, problem_body, problem_headers
from api.uploads import Uploads
from tests.unit.api.stage import SEND, Stage, problem

OTP_DE = {"to": "+4915112345678", "class": "otp"}


async def post(stage: Stage, raw: bytes, kind: str = "application/json", **headers: str) -> httpx.Response:
    return await stage.client.post("/v1/messages", content=raw, headers={"Content-Type": kind, **headers})


async def whole(uploads: Uploads, receive: Any) -> bytes:
    async with uploads.body({}, receive) as raw:
        return raw


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"form": "x"}, "unknown_field", "form"),
        ({"send_at": 1_790_000_000}, "invalid_field", "send_at"),
        ({"send_at": "tomorrow"}, "invalid_send_at", "send_at"),
        ({"callback_url": None}, "unknown_field", "callback_url"),
        ({"to": 8613800000000}, "invalid_field", "to"),
        ({"to": "+86138"}, "invalid_number", "to"),
        ({"to": "13800000000"}, "invalid_number", "to"),
        ({"to": "+" + "1" * 60}, "invalid_field", "to"),
        ({"sender": "Much too long a name"}, "invalid_field", "sender"),
        ({"sender": "Ünal"}, "invalid_sender", "sender"),
        ({"text": ""}, "empty_text", "text"),
        ({"text": "x" * 10_001}, "invalid_field", "text"),
        ({"text": "snow ☃", "encoding": "gsm7"}, "unencodable", "text"),
        ({"text": "x" * 161, "max_segments": 1}, "too_many_segments", "text"),
        ({"max_segments": 256}, "invalid_field", "max_segments"),
        ({"class": "urgent"}, "invalid_field", "class"),
        ({"encoding": "utf-8"}, "invalid_field", "encoding"),
        ({"ttl_s": 0}, "invalid_field", "ttl_s"),
        ({"ttl_s": 14 * 86_400 + 1}, "invalid_field", "ttl_s"),
        ({"client_ref": "x" * 129}, "invalid_field", "client_ref"),
        ({"client_ref": "a\0b"}, "invalid_field", "client_ref"),
        ({"tags": ["x"] * 21}, "invalid_field", "tags"),
        ({"tags": [""]}, "invalid_field", "tags[0]"),
        ({"metadata": {str(n): "x" for n in range(21)}}, "invalid_field", "metadata"),
        ({"metadata": {"k": 1}}, "invalid_field", "metadata.k"),
        ({"to": "+33612345678"}, "no_route", "to"),
        ({**OTP_DE, "class": "notice"}, "no_route", "to"),
    ],
)
async def test_a_field_that_is_wrong_is_named_with_code_and_remedy(
    changes: dict[str, Any], code: str, field: str
) -> None:
    stage = Stage()
    body = problem(await stage.send(**changes), PROBLEMS[code].status, code)
    assert body["errors"][0]["field"] == field
    assert body["retryable"] is PROBLEMS[code].retryable
    assert stage.published() == []


@pytest.mark.parametrize("missing", ["to", "text", "sender"])
async def test_a_field_that_is_missing_is_named(missing: str) -> None:
    body = {name: value for name, value in SEND.items() if name != missing}
    response = await Stage().client.post("/v1/messages", json=body)
    assert [fault["field"] for fault in problem(response, 422, "missing_field")["errors"]] == [missing]


async def test_a_misspelt_field_gets_a_hint() -> None:
    assert "did you mean `text`?" in problem(await Stage().send(txt="x"), 422, "unknown_field")["detail"]


async def test_all_faults_of_a_message_are_told_at_once() -> None:
    body = problem(await Stage().send(to=1, text="", ttl_s="x"), 422, "empty_text")
    assert {fault["field"] for fault in body["errors"]} == {"to", "text", "ttl_s"}


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b'{"to": NaN}', b"[" * 1000, b'{"text":"\\ud800"}'])
async def test_a_body_that_is_not_json_is_refused(raw: bytes) -> None:
    problem(await post(Stage(), raw), 400, "invalid_json")


@pytest.mark.parametrize("raw", [b"[]", b"1", b"null", b'"x"'])
async def test_a_body_that_is_no_object_is_refused(raw: bytes) -> None:
    problem(await post(Stage(), raw), 422, "invalid_field")


async def test_a_body_of_very_many_unknown_fields_is_refused_at_its_first_one() -> None:
    raw = json.dumps({f"f{number}": 0 for number in range(20_000)}).encode()
    stage = Stage(max_body=1_000_000)
    assert [fault["field"] for fault in problem(await post(stage, raw), 422, "unknown_field")["errors"]] == ["f0"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/x-ndjson", ""])
async def test_another_content_type_is_refused(kind: str) -> None:
    body = problem(await post(Stage(), json.dumps(SEND).encode(), kind), 415, "unsupported_media_type")
    assert "application/json" in body["detail"]


async def test_a_charset_beside_the_content_type_is_no_matter() -> None:
    raw = json.dumps(SEND).encode()
    assert (await post(Stage(), raw, "Application/JSON; charset=utf-8")).status_code == 202


async def test_a_body_that_is_announced_too_large_is_not_read() -> None:
    response = await post(Stage(max_body=1_000), b"x" * 1_001)
    assert response.headers["connection"] == "close"
    problem(response, 413, "body_too_large")


async def test_a_body_that_grows_too_large_is_read_no_further() -> None:
    asked = 0

    async def receive() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": b"x" * 400, "more_body": True}

    with pytest.raises(Refusal) as refused:
        await whole(Uploads(1_000, 1 << 20), receive)
    assert (refused.value.code, asked) == ("body_too_large", 3)


async def test_bodies_of_all_requests_together_are_bounded() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"x" * 900, "more_body": False}

    uploads = Uploads(1_000, 800)
    with pytest.raises(Refusal) as refused:
        await whole(uploads, receive)
    assert refused.value.code == "intake_unavailable"
    assert uploads.held == 0


async def test_a_body_counts_until_its_request_is_over() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"x" * 600, "more_body": False}

    uploads = Uploads(1_000, 1_000)
    async with uploads.body({}, receive):
        with pytest.raises(Refusal):
            await whole(uploads, receive)
    assert await whole(uploads, receive) == b"x" * 600


async def test_a_body_that_does_not_come_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    monkeypatch.setattr("api.uploads.IDLE_S", 0.01)
    with pytest.raises(Refusal) as refused:
        await whole(Uploads(1_000, 1_000), asyncio.get_running_loop().create_future)  # never done
    assert refused.value.code == "request_timeout"


async def test_too_many_recipients_are_refused() -> None:
    stage = Stage(max_recipients=2)
    problem(await stage.batch([{"to": "+8613800000000"}] * 3), 422, "too_many_recipients")


async def test_a_batch_without_messages_is_refused() -> None:
    problem(await Stage().batch([]), 422, "missing_field")


async def test_a_batch_without_a_valid_message_is_refused_with_the_reasons() -> None:
    response = await Stage().batch([{"to": "+86138"}, {"to": "+8613800000000", "text": ""}])
    faults = problem(response, 422, "no_valid_messages")["errors"]
    assert [(fault["field"], fault["code"]) for fault in faults] == [
        ("messages[0].to", "invalid_number"),
        ("messages[1].text", "empty_text"),
    ]


@pytest.mark.parametrize("key", [b"a b", b"x" * 256, b'""', "ü".encode("latin-1"), b""])
async def test_an_idempotency_key_that_is_not_valid_is_refused(key: bytes) -> None:
    headers = {b"Idempotency-Key": key}
    response = await Stage().client.post("/v1/messages", json=SEND, headers=headers)
    problem(response, 400, "idempotency_key_invalid")


@pytest.mark.parametrize("path", ["/", "/v2", "/v1/messages/x/y", "/v1/webhooks", "/v1/messages/"])
async def test_an_address_that_is_not_there_is_told_so(path: str) -> None:
    problem(await Stage().client.get(path), 404, "not_found")


async def test_another_method_is_told_which_ones_there_are() -> None:
    response = await Stage().client.delete("/v1/keys")
    assert response.headers["allow"] == "GET"
    problem(response, 405, "method_not_allowed")


async def test_a_suspended_account_sends_nothing() -> None:
    stage = Stage()
    stage.suspend("shop")
    problem(await stage.send(), 403, "account_suspended")
    stage.suspend("shop", suspended=False)
    assert (await stage.send()).status_code == 202


@pytest.mark.as_written
async def test_a_fault_of_ours_shows_nothing_of_its_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()

    def broken(*_: Any) -> Any:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(stage.desk, "admit", broken)
    response = await stage.send()
    problem(response, 500, "internal")
    assert "secret" not in response.text


async def test_a_sane_request_id_is_taken_over_and_others_are_not() -> None:
    stage = Stage()
    assert (await stage.client.get("/v1", headers={"X-Request-Id": "abc-1"})).headers["x-request-id"] == "abc-1"
    made = (await stage.client.get("/v1", headers={"X-Request-Id": "a b\t<script>"})).headers["x-request-id"]
    assert len(made) == 24


@pytest.mark.parametrize("code", PROBLEMS)
def test_every_problem_is_complete(code: str) -> None:
    row = PROBLEMS[code]
    body = problem_body(Refusal(*[_fault(code)]).faults, "r")
    assert body.keys() == {
        "type", "title", "status", "code", "detail", "remedy", "retryable", "errors", "request_id",
    }  # fmt: skip
    assert 400 <= row.status < 600
    assert (row.status in (429, 503)) <= (row.retry_after_s > 0 and row.retryable)
    assert ("Retry-After" in problem_headers(Refusal(_fault(code)))) is (row.retry_after_s > 0)


def _fault(code: str) -> Any:
    from api.problems import FieldFault

    return FieldFault("", code, PROBLEMS[code].example)
