"""An answer leaves in one write, whole, and before the connection is closed."""

from __future__ import annotations

import asyncio
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


@pytest.mark.parametrize("closing", [False, True])
async def test_head_and_body_leave_together(closing: bool) -> None:
    config = uvicorn.Config(app, interface="asgi3", http=OneWrite, lifespan="off", log_config=None, access_log=False)
    config.load()
    protocol = OneWrite(config=config, server_state=uvicorn.server.ServerState(), app_state={})
    wire = Wire()
    protocol.connection_made(cast("asyncio.Transport", wire))
    protocol.data_received(REQUEST % (b"connection: close\r\n" if closing else b""))
    for _ in range(5):
        await asyncio.sleep(0)
    answer, *rest = wire.events
    assert answer.startswith(b"HTTP/1.1 202 ")
    assert answer.endswith(b"\r\n\r\naccept")
    assert rest == ([b"closed"] if closing else [])
