"""Bad requests over a real socket: each kind has its own stable code and a sentence, and nothing of it reaches a lane."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from schemas.ids import to_text
from tests.integration.api.rig import CARRIERS, SEND, Installation

MAX_BODY = 20_000
NO_ROUTE_TO_GERMANY = CARRIERS.replace("[[routes]]", '[[routes]]\nprefix = "86"')
NUMBER_OF_GERMANY = "+4915112345678"


class Bad(NamedTuple):
    """One request. `field`: what the answer names, "" where it is no field's fault; `key`: whose key it comes with."""

    status: int
    code: str
    field: str = ""
    method: str = "POST"
    path: str = "/v1/messages"
    body: bytes = b""
    headers: Mapping[str, str] = {}
    key: str = "all"


def message(**changes: Any) -> bytes:
    return json.dumps({**SEND, **changes}).encode()


def batch(*rows: Any, **more: Any) -> bytes:
    return json.dumps({"defaults": {"text": "Hi", "sender": "Acme"}, "messages": rows, **more}).encode()


BAD = {
    "bad JSON": Bad(400, "invalid_json", body=b'{"to": '),
    "no body": Bad(400, "invalid_json"),
    "not UTF-8": Bad(400, "invalid_json", body=b"\xff\xfe"),
    "a list": Bad(422, "invalid_field", body=b"[]"),
    "a media type of another kind": Bad(
        415, "unsupported_media_type", body=message(), headers={"Content-Type": "text/plain"}
    ),
    "unknown field": Bad(422, "unknown_field", "form", body=message(form="x")),
    "missing field": Bad(422, "missing_field", "text", body=b'{"to":"+8613800000000","sender":"Acme"}'),
    "a field of another type": Bad(422, "invalid_field", "tags", body=message(tags="x")),
    "bad number": Bad(422, "invalid_number", "to", body=message(to="+86138")),
    "bad sender": Bad(422, "invalid_sender", "sender", body=message(sender="Ünal")),
    "empty text": Bad(422, "empty_text", "text", body=message(text="")),
    "text of another alphabet": Bad(422, "unencodable", "text", body=message(text="☃", encoding="gsm7")),
    "too long a text": Bad(422, "too_many_segments", "text", body=message(text="x" * 161, max_segments=1)),
    "bad time": Bad(422, "invalid_send_at", "send_at", body=message(send_at="tomorrow")),
    "too large": Bad(413, "body_too_large", body=b"x" * (MAX_BODY + 1)),
    "no route": Bad(422, "no_route", "to", body=message(to=NUMBER_OF_GERMANY)),
    "bad idempotency key": Bad(400, "idempotency_key_invalid", body=message(), headers={"Idempotency-Key": "é" * 3}),
    "too long an idempotency key": Bad(
        400, "idempotency_key_invalid", body=message(), headers={"Idempotency-Key": "k" * 256}
    ),
    "wrong key": Bad(401, "unauthorized", body=message(), key="wrong"),
    "no key": Bad(401, "unauthorized", body=message(), key="none"),
    "missing scope": Bad(403, "forbidden", body=message(), key="reader"),
    "missing scope of an operator": Bad(
        403, "forbidden", path="/v1/carriers/alpha/pause", body=b'{"reason":"a test"}', key="reader"
    ),
    "an empty batch": Bad(422, "missing_field", "messages", path="/v1/batches", body=batch()),
    "too many recipients": Bad(
        422, "too_many_recipients", "messages", path="/v1/batches", body=batch(*[{"to": SEND["to"]}] * 4)
    ),
    "a batch in which nothing is valid": Bad(
        422, "no_valid_messages", path="/v1/batches", body=batch({"to": "x"}, {"to": NUMBER_OF_GERMANY})
    ),
    "bad cursor": Bad(422, "invalid_field", "cursor", "GET", "/v1/messages?cursor=nonsense"),
    "bad cursor of doubts": Bad(422, "invalid_field", "cursor", "GET", "/v1/in-doubt?cursor=nonsense"),
    "bad cursor of acts": Bad(422, "invalid_field", "cursor", "GET", "/v1/audit?cursor=nonsense"),
    "bad cursor of messages from handsets": Bad(422, "invalid_field", "cursor", "GET", "/v1/inbound?cursor=nonsense"),
    "unknown filter": Bad(422, "unknown_field", "statsu", "GET", "/v1/messages?statsu=sent"),
    "bad filter": Bad(422, "invalid_field", "limit", "GET", "/v1/messages?limit=0"),
    "bad id": Bad(404, "not_found", method="GET", path="/v1/messages/12"),
    "unknown address": Bad(404, "not_found", method="GET", path="/v1/mesages"),
    "another method": Bad(405, "method_not_allowed", method="DELETE", path="/v1/messages"),
    "a carrier that is not there": Bad(404, "not_found", path="/v1/carriers/omega/pause", body=b'{"reason":"a test"}'),
    "a switch without a reason": Bad(422, "missing_field", "reason", path="/v1/carriers/alpha/pause", body=b"{}"),
    "a rate that can't be meant": Bad(
        422, "invalid_field", "tps", "PUT", "/v1/carriers/alpha/tps", b'{"tps":500000,"reason":"a test"}'
    ),
}


@pytest.fixture
async def installation(kafka_bootstrap: str, topic_prefix: str, tmp_path: Path, postgres_dsn: str) -> Installation:
    made = Installation(kafka_bootstrap, topic_prefix, tmp_path)
    made.carriers.write_text(NO_ROUTE_TO_GERMANY)
    made.environ |= {
        "SMPPD_MAX_BODY_BYTES": str(MAX_BODY),
        "SMPPD_MAX_RECIPIENTS": "3",
    }
    await made.create_topics()
    await made.migrate(postgres_dsn)
    return made


async def test_each_kind_of_bad_request_has_its_code_and_reaches_no_lane(installation: Installation) -> None:
    keys = {
        "all": await installation.key("--scopes", "*"),
        "reader": await installation.key("--scopes", "read"),
        "wrong": "sk_live_" + "x" * 40,
        "none": "",
    }
    async with installation.api() as api, httpx.AsyncClient(base_url=api.url, timeout=20) as client:
        for kind, bad in BAD.items():
            authorization = {"Authorization": f"Bearer {keys[bad.key]}"} if keys[bad.key] else {}
            given = {"Content-Type": "application/json", **authorization, **bad.headers}
            answer = await client.request(
                bad.method,
                bad.path,
                content=bad.body,
                headers=[(name.encode(), value.encode()) for name, value in given.items()],
            )
            _check(kind, bad, answer)
        assert await installation.published() == []
        # The process is as well as before: what is right goes through.
        right = await client.post("/v1/messages", json=SEND, headers={"Authorization": f"Bearer {keys['all']}"})
        assert right.status_code == 202
    assert [to_text(sent.id) for sent in await installation.published()] == [right.json()["id"]]


def _check(kind: str, bad: Bad, answer: httpx.Response) -> None:
    told = f"{kind}: {answer.status_code} {answer.text}"
    assert answer.headers["content-type"] == "application/problem+json", told
    body = answer.json()
    assert (answer.status_code, body["code"], body["type"]) == (bad.status, bad.code, f"/errors/{bad.code}"), told
    assert body["retryable"] is False, told
    assert [body[name] for name in ("title", "detail", "remedy") if not body[name]] == [], told
    assert body["request_id"] == answer.headers["x-request-id"], told
    if bad.field:
        assert body["errors"][0]["field"] == bad.field, told
