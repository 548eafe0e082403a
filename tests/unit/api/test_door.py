"""The way past the framework answers as the framework's route does, to the byte; of those who come at once each for itself."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from api.acceptance import Asked
from api.door import Door
from api.entrance import entrance_through
from api.onewrite import OneWrite
from runtime.metrics import REGISTRY
from tests.unit.api.stage import SEND, Stage
from tests.unit.api.wire import Connection, request_bytes, response_of

GOOD = json.dumps(SEND).encode()
JSON = (b"Content-Type", b"application/json")
KEY = (b"Idempotency-Key", b"k1")
REQUEST_ID = (b"X-Request-Id", b"r")
Headers = list[tuple[bytes, bytes]]
Request = tuple[bytes, bytes, Headers]


def body_with(**changes: Any) -> bytes:
    return json.dumps({**SEND, **changes}).encode()


REQUESTS: dict[str, Request] = {
    "good": (b"/v1/messages", GOOD, [JSON]),
    "good, with a charset and a query": (
        b"/v1/messages?a=b",
        GOOD,
        [(b"content-type", b"application/json; charset=utf-8")],
    ),
    "good, in pieces": (
        b"/v1/messages",
        b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (9, GOOD[:9], len(GOOD[9:]), GOOD[9:]),
        [JSON, (b"Transfer-Encoding", b"chunked")],
    ),
    "with a key": (b"/v1/messages", GOOD, [JSON, KEY]),
    "with a quoted key": (b"/v1/messages", GOOD, [JSON, (b"Idempotency-Key", b'"k1"')]),
    "scheduled": (b"/v1/messages", body_with(send_at="2026-09-22T00:00:00Z"), [JSON]),
    "the last one of its connection": (b"/v1/messages", GOOD, [JSON, (b"Connection", b"close")]),
    "the last one, and wrong": (b"/v1/messages", b"{", [JSON, (b"Connection", b"close")]),
    "a key that is wrong": (b"/v1/messages", GOOD, [JSON, (b"Idempotency-Key", b"\xff")]),
    "bad JSON": (b"/v1/messages", b"{", [JSON]),
    "an unknown field": (b"/v1/messages", body_with(too=1), [JSON]),
    "no route": (b"/v1/messages", body_with(to="+3312345678"), [JSON]),
    "a bad number": (b"/v1/messages", body_with(to="12"), [JSON]),
    "no body": (b"/v1/messages", b"", [JSON]),
    "too large": (b"/v1/messages", b" " * 200_001, [JSON]),
    "larger than goes through the door": (b"/v1/messages", GOOD + b" " * 100_000, [JSON]),
    "another media type": (b"/v1/messages", GOOD, [(b"Content-Type", b"text/plain")]),
    "no media type": (b"/v1/messages", GOOD, []),
    "no authorization": (b"/v1/messages", GOOD, [JSON, (b"Authorization", b"")]),
    "another scheme": (b"/v1/messages", GOOD, [JSON, (b"Authorization", b"Basic eDp5")]),
    "an unknown key": (b"/v1/messages", GOOD, [JSON, (b"Authorization", b"Bearer sk_live_x")]),
    "an odd key": (b"/v1/messages", GOOD, [JSON, (b"Authorization", b"Bearer \xe4\xff")]),
    "of a header that comes twice the first counts": (
        b"/v1/messages",
        GOOD,
        [JSON, (b"Content-Type", b"text/plain"), (b"X-Request-Id", b"second")],
    ),
    "a slash too many": (b"/v1/messages/", GOOD, [JSON]),
}


async def answered(quick: bool, asked: Request, prepare: str = "") -> tuple[list[bytes], Any]:
    """What happened to the connection, and what is in Kafka then."""
    stage = Stage()
    secret = stage.token
    if prepare in ("limited", "has limits"):
        stage.limit(rate_per_s=1, per_day=20)
        if prepare == "limited":
            await stage.send()
    elif prepare == "suspended":
        stage.suspend("shop")
    elif prepare == "away":
        stage.cluster.down = True
    elif prepare == "no scope":
        secret = stage.key("read")
    elif prepare == "busy":
        stage.services.uploads.held = 1 << 20
    elif prepare == "repeated":
        headers = {"Content-Type": "application/json", "Idempotency-Key": "k1"}
        await stage.client.post("/v1/messages", content=GOOD, headers=headers)
    elif prepare == "reused":
        await stage.send(key="k1", text="other")
    elif prepare == "broken":
        stage.desk.quotas = None  # type: ignore[assignment]
    target, body, told = asked
    if not any(name == b"Authorization" for name, _ in told):
        told = [*told, (b"Authorization", f"Bearer {secret}".encode())]
    connection = Connection(stage.entrance if quick else OneWrite, stage.app)
    connection.feed(request_bytes(body, [REQUEST_ID, *told], target))
    assert await connection.answers()
    await asyncio.sleep(0)
    return connection.wire.events, {tp: len(log) for tp, log in stage.cluster.logs.items()}


@pytest.mark.parametrize("name", REQUESTS)
async def test_any_request(name: str) -> None:
    quick, framework = [await answered(quick, REQUESTS[name]) for quick in (True, False)]
    assert quick == framework
    assert (b" 202 " in quick[0][0].split(b"\r\n")[0]) == (name in GOOD_ONES)


GOOD_ONES = {name for name in REQUESTS if name.startswith(("good", "with", "of a header"))} | {
    "scheduled",
    "the last one of its connection",
    "larger than goes through the door",
}


@pytest.mark.parametrize(
    ("state", "name", "status"),
    [
        ("limited", "good", 429),
        ("has limits", "good", 202),
        ("has limits", "bad JSON", 400),
        ("suspended", "good", 403),
        ("away", "good", 503),
        ("away", "with a key", 503),
        ("no scope", "good", 403),
        ("busy", "good", 503),
        ("repeated", "with a key", 202),
        ("reused", "with a key", 422),
        ("broken", "good", 500),
    ],
)
async def test_whatever_the_state(state: str, name: str, status: int) -> None:
    quick, framework = [await answered(quick, REQUESTS[name], state) for quick in (True, False)]
    assert quick == framework
    assert quick[0][0].startswith(b"HTTP/1.1 %d " % status)


def message_headers(stage: Stage) -> Headers:
    return [JSON, (b"Authorization", f"Bearer {stage.token}".encode())]


def message(stage: Stage, body: bytes = GOOD, *more: tuple[bytes, bytes]) -> bytes:
    return request_bytes(body, [*message_headers(stage), *more])


async def all_at_once(stage: Stage, *requests: bytes) -> list[int]:
    """The statuses, each request on a connection of its own, all read in one turn of the loop."""
    connections = [Connection(stage.entrance, stage.app) for _ in requests]
    for connection, request in zip(connections, requests, strict=True):
        connection.feed(request)
    answers = [await connection.answers() for connection in connections]
    return [response_of(answer).status_code for (answer,) in answers]


async def test_those_of_one_turn_are_published_with_one_call_a_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    calls: list[tuple[str, int, int]] = []
    publish = stage.publisher.publish

    def counted(topic: str, partition: int, entries: Any, *rest: Any, **named: Any) -> None:
        calls.append((topic, partition, len(entries)))
        publish(topic, partition, entries, *rest, **named)

    monkeypatch.setattr(stage.publisher, "publish", counted)
    classes = ["notice", "otp", "notice", "otp", "notice"]
    bodies = [body_with(text=str(place), **{"class": cls}) for place, cls in enumerate(classes)]
    assert await all_at_once(stage, *(message(stage, body) for body in bodies)) == [202] * 5
    assert sorted(count for *_, count in calls) == [2, 3]
    assert len({(topic, partition) for topic, partition, _ in calls}) == 2
    assert len(stage.published()) == len({each.id for each in stage.published()}) == 5


async def test_what_is_wrong_with_one_is_no_matter_of_the_others() -> None:
    stage = Stage()
    asked = [GOOD, b"{", body_with(to="12"), GOOD, body_with(to="+3312345678")]
    assert await all_at_once(stage, *(message(stage, body) for body in asked)) == [202, 400, 422, 202, 422]
    assert len(stage.published()) == 2


@pytest.mark.as_written
async def test_a_fault_of_ours_with_one_is_no_matter_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    accept = stage.desk.intake.accept

    def failing(order: Any, *rest: Any) -> Any:
        if order.text == "boom":
            raise ZeroDivisionError
        return accept(order, *rest)

    monkeypatch.setattr(stage.desk.intake, "accept", failing)
    bodies = [GOOD, body_with(text="boom"), GOOD]
    with capture_logs() as logs:
        assert await all_at_once(stage, *(message(stage, body) for body in bodies)) == [202, 500, 202]
    (told,) = [line for line in logs if line["event"] == "request_failed"]
    assert (told["path"], type(told["exc_info"])) == ("/v1/messages", ZeroDivisionError)


@pytest.mark.as_written
async def test_a_fault_of_ours_with_all_is_told_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()

    async def failing(_asked: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(stage.desk, "messages", failing)
    with capture_logs() as logs:
        assert await all_at_once(stage, message(stage), message(stage)) == [500, 500]
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["request_failed"] * 2
    assert stage.services.uploads.held == 0


async def test_an_answer_that_cannot_be_made_closes_its_connection_only(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    stage.limit(per_day=10)
    monkeypatch.setattr(stage.desk.quotas, "headers", None)
    free = stage.key("send", account="other")
    first, second = (Connection(stage.entrance, stage.app) for _ in range(2))
    first.feed(message(stage))
    second.feed(request_bytes(GOOD, [JSON, (b"Authorization", f"Bearer {free}".encode())]))
    (answer,) = await second.answers()
    assert answer.startswith(b"HTTP/1.1 202 ")
    assert (first.written, first.closed) == (b"", True)


async def test_while_kafka_is_away_all_are_told_and_the_log_has_a_line() -> None:
    stage = Stage(timeout_s=0.02)
    stage.cluster.down = True
    with capture_logs() as logs:
        assert await all_at_once(stage, *[message(stage)] * 3) == [503] * 3
        stage.clock.advance(1)
        assert await all_at_once(stage, *[message(stage)] * 2) == [503] * 2, (
            "nothing is sent while nothing is confirmed"
        )
    told = [line for line in logs if line["event"] == "unavailable"]
    assert [(line["route"], line["answers"]) for line in told] == [("/v1/messages", 1), ("/v1/messages", 3)]


async def test_bodies_count_until_their_answers() -> None:
    stage = Stage()
    stage.cluster.hold_publishes = True
    connection = Connection(stage.entrance, stage.app)
    connection.feed(message(stage))
    await asyncio.sleep(0)
    assert stage.services.uploads.held == len(GOOD)
    stage.cluster.hold_publishes = False
    await connection.answers()
    assert stage.services.uploads.held == 0


async def test_a_body_above_the_limit_is_left_to_the_framework() -> None:
    stage = Stage(max_body=len(GOOD) - 1)
    assert Door(stage.services, stage.app).most_bytes == len(GOOD) - 1
    connection = Connection(entrance_through(Door(stage.services, stage.app)), stage.app)
    connection.feed(message(stage))
    (answer,) = await connection.answers()
    assert (answer.split(b" ")[1], connection.closed) == (b"413", True)


async def test_it_is_timed_as_its_route() -> None:
    def counted() -> float:
        labels = {"route": "/v1/messages", "status": "202"}
        return REGISTRY.get_sample_value("smppd_http_request_seconds_count", labels) or 0.0

    stage, before = Stage(), counted()
    await all_at_once(stage, message(stage), message(stage))
    assert counted() == before + 2


@pytest.mark.parametrize("told", [b"mine-1", b"not sane", None])
async def test_the_request_id_is_the_clients_own_if_it_is_a_sane_one(told: bytes | None) -> None:
    stage = Stage()
    connection = Connection(stage.entrance, stage.app)
    connection.feed(message(stage, GOOD, *([] if told is None else [(b"X-Request-Id", told)])))
    (answer,) = await connection.answers()
    given = response_of(answer).headers["x-request-id"]
    assert given == "mine-1" if told == b"mine-1" else len(given) == 24


@contextmanager
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.parametrize("through_app", [False, True])
@pytest.mark.parametrize("body", [GOOD, b"{", body_with(to="12")])
async def test_nothing_is_left_of_a_request_for_the_collector(body: bytes, through_app: bool) -> None:
    stage = Stage()
    connection = Connection(stage.entrance, stage.app)
    with no_collector():
        connection.feed(
            request_bytes(body, message_headers(stage), b"/v1/messages?" if through_app else b"/v1/messages")
        )
        await connection.answers()
        for _ in range(5):
            await asyncio.sleep(0)
        assert [each for each in gc.get_objects() if isinstance(each, Asked)] == []
