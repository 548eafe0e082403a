"""An answer leaves in one write, whole, and before the connection is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
import uvicorn

from api.onewrite import OneWrite

REQUEST = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n%s\r\n{}"


class Wire(asyncio.Transport):
    """A transport that keeps what happens to it."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[bytes] = []

    def write(self, data: Any) -> None:
        self.events.append(bytes(data))

    def close(self) -> None:
        self.events.append(b"closed")

    def is_closing(self) -> bool:
        return b"closed" in self.events


async def app(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"6")]})
    await send({"type": "http.response.body", "body": b"accept"})


def connected(wire: Wire) -> OneWrite:
    config = uvicorn.Config(app, interface="asgi3", http=OneWrite, lifespan="off", log_config=None, access_log=False)
    config.load()
    protocol = OneWrite(config=config, server_state=uvicorn.server.ServerState(), app_state={})
    protocol.connection_made(cast("asyncio.Transport", wire))
    return protocol


class Hands:
    """A loop's timers, by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, after_s: float, work: Callable[[], None]) -> Hands:
        self.timers.append((self.now + after_s, work))
        return self

    def cancel(self) -> None:
        self.timers.clear()

    def until(self, now: float) -> None:
        while self.timers and self.timers[0][0] <= now:
            self.now, work = self.timers.pop(0)
            work()
        self.now = now


@pytest.mark.parametrize("closing", [False, True])
async def test_head_and_body_leave_together(closing: bool) -> None:
    wire = Wire()
    protocol = connected(wire)
    protocol.data_received(REQUEST % (b"connection: close\r\n" if closing else b""))
    for _ in range(5):
        await asyncio.sleep(0)
    answer, *rest = wire.events
    assert answer.startswith(b"HTTP/1.1 202 ")
    assert answer.endswith(b"\r\n\r\naccept")
    assert rest == ([b"closed"] if closing else [])


async def test_a_connection_that_is_used_stays_with_one_timer_and_is_closed_when_it_rests() -> None:
    wire, hands = Wire(), Hands()
    protocol = connected(wire)
    protocol.loop, protocol.timeout_keep_alive = cast("Any", hands), 5
    for now in (0.0, 2.0, 4.0):
        hands.until(now)
        protocol._unset_keepalive_if_required()
        protocol.on_response_complete()
        assert len(hands.timers) == 1
    hands.until(8.9)
    assert wire.events == []
    hands.until(9.0)
    assert (wire.events, hands.timers) == ([b"closed"], [])


async def test_a_request_that_takes_long_is_not_rest() -> None:
    wire, hands = Wire(), Hands()
    protocol = connected(wire)
    protocol.loop, protocol.timeout_keep_alive = cast("Any", hands), 5
    protocol.on_response_complete()
    protocol._unset_keepalive_if_required()
    hands.until(60.0)
    assert (wire.events, hands.timers) == ([], [])
    protocol.on_response_complete()
    hands.until(64.9)
    assert wire.events == []
    hands.until(65.0)
    assert wire.events == [b"closed"]


async def test_a_connection_that_is_lost_keeps_no_timer() -> None:
    hands = Hands()
    protocol = connected(Wire())
    protocol.loop = cast("Any", hands)
    protocol.on_response_complete()
    protocol.connection_lost(None)
    assert hands.timers == []
