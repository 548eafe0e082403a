"""Which requests go past the framework, and that a connection behaves on both ways as uvicorn's do."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from api.issuing import revoke
from api.onewrite import OneWrite
from schemas.records import Act
from tests.unit.api.stage import SEND, Stage
from tests.unit.api.wire import CLOSED, Connection, request_bytes, split

GOOD = json.dumps(SEND).encode()


class House:
    """An api, and which requests came through its app."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.through_app: list[str] = []

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.through_app.append(scope["path"])
        await self.stage.app(scope, receive, send)

    def connection(self, protocol: type[OneWrite] | None = None) -> Connection:
        return Connection(protocol or self.stage.entrance, self.app)

    def message(self, *more: tuple[bytes, bytes], body: bytes = GOOD, **line: bytes) -> bytes:
        headers = [(b"Content-Type", b"application/json"), (b"Authorization", f"Bearer {self.stage.token}".encode())]
        return request_bytes(body, [*headers, *more], **line)


def statuses(answers: list[bytes]) -> list[int]:
    return [int(answer.split(b" ")[1]) for answer in answers]


async def test_a_message_that_comes_whole_goes_past_the_app_in_one_write_and_the_connection_stays() -> None:
    house = House()
    connection = house.connection()
    for count in range(1, 4):
        connection.feed(house.message())
        assert statuses(await connection.answers(count)) == [202] * count
        assert len(connection.wire.events) == count
    assert (house.through_app, connection.closed) == ([], False)
    assert connection.state.total_requests == 3


@pytest.mark.parametrize("cut", [1, 60, -len(GOOD), -1])
async def test_one_whose_end_follows_at_once_goes_past_the_app_too(cut: int) -> None:
    house = House()
    connection, request = house.connection(), house.message()
    for count in range(1, 3):
        connection.feed(request[:cut])
        await asyncio.sleep(0.001)
        connection.feed(request[cut:])
        assert statuses(await connection.answers(count)) == [202] * count
    assert house.through_app == []


@pytest.mark.parametrize("cut", [-len(GOOD), -1])
async def test_one_that_comes_slowly_goes_through_the_app(monkeypatch: pytest.MonkeyPatch, cut: int) -> None:
    monkeypatch.setattr("api.entrance.REST_S", 0.001)
    house = House()
    connection, request = house.connection(), house.message()
    connection.feed(request[:cut])
    while not house.through_app:
        await asyncio.sleep(0.001)
    connection.feed(request[cut:-1])
    connection.feed(request[-1:])
    assert statuses(await connection.answers()) == [202]
    connection.feed(house.message())
    assert statuses(await connection.answers(2)) == [202, 202]
    assert house.through_app == ["/v1/messages"], "the next one may go past it again"


async def test_at_the_end_of_the_server_a_request_that_is_coming_is_waited_for() -> None:
    house = House()
    connection, request = house.connection(), house.message()
    connection.feed(request[:-1])
    connection.protocol.shutdown()
    connection.feed(request[-1:])
    (answer,) = await connection.answers()
    assert statuses([answer]) == [202]
    assert b"\r\nconnection: close\r\n" in answer
    assert connection.closed


async def test_a_client_that_goes_away_before_the_end_of_its_request_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.entrance.REST_S", 0.001)
    house = House()
    connection = house.connection()
    connection.feed(house.message()[:-1])
    connection.lose()
    await asyncio.sleep(0.01)
    assert (house.through_app, connection.written, house.stage.published()) == ([], b"", [])


class Deaf:
    """A parser that must not be asked."""

    def feed_data(self, data: bytes) -> None:
        raise AssertionError("it was parsed")


async def test_a_head_that_came_before_is_not_parsed_again() -> None:
    house = House()
    first, second = house.connection(), house.connection()
    first.feed(house.message())
    await first.answers()
    second.protocol.parser = Deaf()
    for count in range(1, 4):
        second.feed(house.message(body=GOOD.replace(b"Hello", b"Hall%d" % count)))
        (*_, answer) = await second.answers(count)
        assert statuses([answer]) == [202]
    assert len(house.stage.published()) == 4
    assert second.state.total_requests == 3


async def test_of_a_key_that_was_revoked_the_known_head_lets_nobody_in() -> None:
    house = House()
    connection = house.connection()
    connection.feed(house.message())
    await connection.answers()
    (key,) = house.stage.book.keys()
    name, value = revoke(key, Act("tester", "test", 1))
    house.stage.book.apply(name or b"", value)
    connection.feed(house.message())
    assert statuses(await connection.answers(2)) == [202, 401]


async def test_a_known_head_with_more_behind_it_is_parsed_and_all_is_answered() -> None:
    house = House()
    connection = house.connection()
    connection.feed(house.message())
    await connection.answers()
    connection.feed(house.message() * 2)
    assert statuses(await connection.answers(3)) == [202, 202, 202]
    connection.feed(house.message()[:-1])
    connection.feed(house.message()[-1:])
    assert statuses(await connection.answers(4)) == [202] * 4
    assert house.through_app == ["/v1/messages"], "but for one that came before the last answer"


OTHERS = {
    "HTTP/1.0": {"line": b"POST %b HTTP/1.0"},
    "another method": {"line": b"GET %b HTTP/1.1"},
    "a query": {"target": b"/v1/messages?x=1"},
    "another address": {"target": b"/v1/messages/preview"},
}


@pytest.mark.parametrize("name", OTHERS)
async def test_others_go_through_the_app(name: str) -> None:
    house = House()
    found = []
    for protocol in (house.stage.entrance, OneWrite):
        connection = house.connection(protocol)
        connection.feed(house.message((b"X-Request-Id", b"r"), **OTHERS[name]))
        found.append((statuses(await connection.answers()), connection.closed))
    assert found[0] == found[1]
    assert len(house.through_app) == 2


async def test_who_waits_for_100_continue_gets_it() -> None:
    house = House()
    connection = house.connection()
    head, _, body = house.message((b"Expect", b"100-continue")).partition(b"\r\n\r\n")
    connection.feed(head + b"\r\n\r\n")
    while not connection.wire.events:
        await asyncio.sleep(0)
    assert connection.written == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.wire.events.clear()
    connection.feed(body)
    assert statuses(await connection.answers()) == [202]


async def test_a_body_that_is_large_goes_through_the_app() -> None:
    house = House()
    connection = house.connection()
    connection.feed(house.message(body=GOOD + b" " * 65_536))
    assert statuses(await connection.answers()) == [202]
    assert house.through_app == ["/v1/messages"]


async def test_while_a_client_does_not_read_its_requests_go_through_the_app() -> None:
    house = House()
    connection = house.connection()
    connection.protocol.pause_writing()
    connection.feed(house.message())
    for _ in range(20):
        await asyncio.sleep(0)
    assert (house.through_app, connection.written) == (["/v1/messages"], b"")
    connection.protocol.resume_writing()
    assert statuses(await connection.answers()) == [202]


@pytest.mark.parametrize("apart", [False, True])
async def test_requests_that_do_not_wait_for_answers_are_answered_in_order(apart: bool) -> None:
    house = House()
    connection = house.connection()
    requests = [house.message((b"X-Request-Id", b"%d" % place)) for place in range(3)]
    requests[1] = house.message((b"X-Request-Id", b"1"), body=b"{")
    for piece in requests if apart else [b"".join(requests)]:
        connection.feed(piece)
    answers = await connection.answers(3)
    assert statuses(answers) == [202, 400, 202]
    assert [f"x-request-id: {place}".encode() in answer for place, answer in enumerate(answers)] == [True] * 3
    assert house.through_app == ["/v1/messages"] * 2, "the first went past it"
    assert connection.wire.reading
    connection.feed(requests[0])
    assert statuses(await connection.answers(4))[3:] == [202]
    assert len(house.through_app) == 2


async def test_a_client_that_goes_away_is_written_nothing_and_the_others_are_answered() -> None:
    house = House()
    gone, there = house.connection(), house.connection()
    gone.feed(house.message())
    there.feed(house.message())
    await asyncio.sleep(0)  # the group is on its way
    gone.lose()
    assert statuses(await there.answers()) == [202]
    assert gone.written == b""
    assert len(house.stage.published()) == 2, "it was asked for"


async def test_a_client_that_goes_away_at_once_sends_nothing() -> None:
    house = House()
    gone, there = house.connection(), house.connection()
    gone.feed(house.message())
    gone.lose()
    there.feed(house.message())
    assert statuses(await there.answers()) == [202]
    assert (gone.written, len(house.stage.published())) == (b"", 1)


async def test_at_the_end_of_the_server_what_is_under_way_is_answered_and_closed() -> None:
    house = House()
    busy, idle = house.connection(), house.connection()
    busy.feed(house.message())
    await asyncio.sleep(0)
    assert len(busy.state.tasks) == 1, "the server waits for it"
    for connection in (busy, idle):
        connection.protocol.shutdown()
    assert (idle.wire.events, busy.closed) == ([CLOSED], False)
    (answer,) = await busy.answers()
    assert statuses([answer]) == [202]
    assert b"\r\nconnection: close\r\n" in answer
    assert busy.closed
    await asyncio.sleep(0)
    assert (busy.state.tasks, busy.state.connections) == (set(), set())


async def test_a_group_that_is_ended_by_the_server_is_told_so() -> None:
    house = House()
    house.stage.cluster.hold_publishes = True
    connection = house.connection()
    connection.feed(house.message())
    await asyncio.sleep(0)
    (task,) = connection.state.tasks
    await asyncio.sleep(0)
    task.cancel()
    assert statuses(await connection.answers()) == [500]
    assert task.cancelled()


@pytest.mark.parametrize("before", [0, 1])
async def test_what_is_no_http_is_told_so_and_closed(before: int) -> None:
    house = House()
    broken = house.message((b"Transfer-Encoding", b"chunked"), body=b"5\r\n{}...nonsense")
    events = []
    for protocol in (house.stage.entrance, OneWrite):
        connection = house.connection(protocol)
        connection.feed(house.message() * before + broken)
        for _ in range(20):
            await asyncio.sleep(0)
        events.append(connection.wire.events)
    assert events[0] == events[1]
    assert events[0][0].startswith(b"HTTP/1.1 400 ")
    assert events[0][1:] == [CLOSED]


async def test_an_idle_connection_is_closed_in_time() -> None:
    house = House()
    connection = house.connection()
    connection.protocol.timeout_keep_alive = 0
    connection.feed(house.message())
    await connection.answers()
    async with asyncio.timeout(1):
        while not connection.closed:
            await asyncio.sleep(0.001)
    assert len(split(connection.written)) == 1


async def test_an_upgrade_that_is_not_spoken_is_left_to_uvicorn() -> None:
    house = House()
    events = []
    for protocol in (house.stage.entrance, OneWrite):
        connection = house.connection(protocol)
        connection.feed(house.message((b"Connection", b"Upgrade"), (b"Upgrade", b"h2c"), (b"X-Request-Id", b"r")))
        await connection.answers()
        events.append(connection.wire.events)
    assert events[0] == events[1]
    assert house.through_app == ["/v1/messages"] * 2
