"""Whatever a client sends, it gets 202 or a problem that says what is wrong: never a fault of ours, never a half answer."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.answers import BatchAnswer, MessageAccepted
from api.problems import PROBLEMS
from api.shapes import FIELD_NAMES
from tests.unit.api.stage import DEFAULTS, SEND, Stage

STAGE = Stage()
SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

texts = st.one_of(
    st.text(max_size=300),
    st.text(st.characters(min_codepoint=0x1F000, max_codepoint=0x1FAFF), max_size=80),
    st.sampled_from(["", "\0", "{}", "€" * 81, "\u200d", "\ufeff", "x" * 10_001]),
)
numbers = st.one_of(
    st.sampled_from(["+8613800000000", "+447700900123", "+4915112345678", "00861380000000", "+", "0", "+86 (138)"]),
    st.text(max_size=45),
    st.from_regex(r"\+?[0-9 ()-]{0,20}", fullmatch=True),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=12,
)
fields = {
    "to": numbers,
    "text": texts,
    "class": st.sampled_from(["otp", "notice", "marketing", "x"]),
    "sender": st.one_of(st.sampled_from(["Acme", "10690000"]), st.text(max_size=17)),
    "encoding": st.sampled_from(["auto", "gsm7", "ucs2", "smart", "x"]),
    "max_segments": st.integers(-1, 300),
    "client_ref": st.none() | st.text(max_size=130),
    "ttl_s": st.none() | st.integers(-1, 2_000_000),
    "tags": st.lists(st.text(max_size=66), max_size=22),
    "metadata": st.dictionaries(st.text(max_size=66), st.text(max_size=258), max_size=22),
}
plausible = st.fixed_dictionaries({}, optional=fields).map(lambda given: {**SEND, **given})
strange = st.dictionaries(st.sampled_from(FIELD_NAMES) | st.text(max_size=12), json_values, max_size=14)
messages = plausible | strange | json_values


def ask(path: str, raw: bytes, kind: str = "application/json", key: str | None = None) -> httpx.Response:
    headers = {"Content-Type": kind}
    if key is not None:
        headers["Idempotency-Key"] = key

    async def post() -> httpx.Response:
        return await STAGE.client.post(path, content=raw, headers=headers)

    return asyncio.run(post())


def check(response: httpx.Response, status: int = 202) -> None:
    if response.status_code == status:
        return
    assert 400 <= response.status_code < 500, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert PROBLEMS[response.json()["code"]].status == response.status_code


@SETTINGS
@given(messages, st.none() | st.sampled_from(["k1", "k2"]))
def test_any_message(message: Any, key: str | None) -> None:
    response = ask("/v1/messages", json.dumps(message).encode(), key=key)
    check(response)
    if response.status_code == 202:
        MessageAccepted.model_validate(response.json())


@SETTINGS
@given(messages)
def test_a_preview_is_given_exactly_when_the_message_would_be_taken(message: Any) -> None:
    raw = json.dumps(message).encode()
    shown, taken = ask("/v1/messages/preview", raw), ask("/v1/messages", raw)
    check(shown, 200)
    if shown.status_code == 200:
        told, accepted = shown.json(), taken.json()
        same = ("class", "encoding", "segments", "price")
        assert [told[name] for name in same] == [accepted[name] for name in same]
    else:
        assert (shown.status_code, shown.json()["code"]) == (taken.status_code, taken.json()["code"])


@SETTINGS
@given(st.lists(messages, max_size=6), st.just(DEFAULTS) | strange, st.text(max_size=140))
def test_any_batch(rows: list[Any], defaults: Any, name: str) -> None:
    response = ask("/v1/batches", json.dumps({"name": name, "defaults": defaults, "messages": rows}).encode())
    check(response)
    if response.status_code == 202:
        answer = BatchAnswer.model_validate(response.json())
        assert answer.total == len(rows) == answer.accepted + answer.rejected
        assert [result.index for result in answer.results] == list(range(len(rows)))


@SETTINGS
@given(st.lists(messages.map(json.dumps) | st.text(max_size=40), max_size=6))
def test_any_stream(lines: list[str]) -> None:
    response = ask("/v1/batches", "\n".join(lines).encode("utf-8", "replace"), "application/x-ndjson")
    check(response)
    if response.status_code == 202:
        first, *results, last = [json.loads(line) for line in response.text.rstrip("\n").split("\n")]
        assert first["batch_id"] == last["batch_id"]
        assert [result["index"] for result in results] == list(range(len(results)))
        assert (last["complete"], last["total"]) == (True, len(results))


@SETTINGS
@given(st.binary(max_size=200), st.sampled_from(["/v1/messages", "/v1/batches"]), st.sampled_from(["json", "x-ndjson"]))
def test_any_bytes(raw: bytes, path: str, kind: str) -> None:
    check(ask(path, raw, f"application/{kind}"))


@SETTINGS
@given(st.dictionaries(st.sampled_from(["to", "from", "status", "limit", "cursor", "tag", "x"]), st.text(max_size=60)))
def test_any_query(query: dict[str, str]) -> None:
    async def get() -> httpx.Response:
        return await STAGE.client.get("/v1/messages", params=query)

    check(asyncio.run(get()), 200)
