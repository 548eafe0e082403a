"""The quick way in answers as the framework's route does, to the byte."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.unit.api.stage import SEND, Stage

GOOD = json.dumps(SEND).encode()
JSON = {"content-type": "application/json"}
Asked = tuple[str, bytes, dict[str, str]]

REQUESTS: dict[str, Asked] = {
    "good": ("/v1/messages", GOOD, JSON),
    "good, with a charset and a query": ("/v1/messages?a=b", GOOD, {"content-type": "application/json; charset=utf-8"}),
    "with a key": ("/v1/messages", GOOD, {**JSON, "idempotency-key": "k1"}),
    "scheduled": ("/v1/messages", json.dumps({**SEND, "send_at": "2026-09-22T00:00:00Z"}).encode(), JSON),
    "a key that is wrong": ("/v1/messages", GOOD, {**JSON, "idempotency-key": "\x7f"}),
    "bad JSON": ("/v1/messages", b"{", JSON),
    "an unknown field": ("/v1/messages", json.dumps({**SEND, "too": 1}).encode(), JSON),
    "no route": ("/v1/messages", json.dumps({**SEND, "to": "+3312345678"}).encode(), JSON),
    "a bad number": ("/v1/messages", json.dumps({**SEND, "to": "12"}).encode(), JSON),
    "no body": ("/v1/messages", b"", JSON),
    "too large": ("/v1/messages", b" " * 200_001, JSON),
    "another media type": ("/v1/messages", GOOD, {"content-type": "text/plain"}),
    "no media type": ("/v1/messages", GOOD, {}),
    "no authorization": ("/v1/messages", GOOD, {**JSON, "authorization": ""}),
    "an unknown key": ("/v1/messages", GOOD, {**JSON, "authorization": "Bearer sk_live_x"}),
    "a slash too many": ("/v1/messages/", GOOD, JSON),
}


async def answered(door: bool, asked: Asked, prepare: str = "") -> tuple[int, list[tuple[bytes, bytes]], bytes, Any]:
    stage = Stage(door=door)
    if prepare == "limited":
        stage.limit(rate_per_s=1)
        await stage.send()
    elif prepare == "suspended":
        stage.suspend("shop")
    elif prepare == "away":
        stage.cluster.down = True
    elif prepare == "no scope":
        stage.client = stage.client_of(stage.key("read"))
    path, body, headers = asked
    response: httpx.Response = await stage.client.post(path, content=body, headers={"x-request-id": "r", **headers})
    return response.status_code, response.headers.raw, response.content, stage.cluster.logs


@pytest.mark.parametrize("name", REQUESTS)
async def test_any_request(name: str) -> None:
    quick, framework = [await answered(door, REQUESTS[name]) for door in (True, False)]
    assert quick[:3] == framework[:3]
    assert {tp: len(log) for tp, log in quick[3].items()} == {tp: len(log) for tp, log in framework[3].items()}


@pytest.mark.parametrize("state", ["limited", "suspended", "away", "no scope"])
async def test_whatever_the_state(state: str) -> None:
    quick, framework = [await answered(door, REQUESTS["good"], state) for door in (True, False)]
    assert quick[0] in (403, 429, 503)
    assert quick[:3] == framework[:3]


async def test_of_a_header_that_comes_twice_the_first_counts() -> None:
    for door in (True, False):
        stage = Stage(door=door)
        headers = [("content-type", "application/json"), ("content-type", "text/plain")]
        assert (await stage.client.post("/v1/messages", content=GOOD, headers=headers)).status_code == 202
