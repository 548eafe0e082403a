"""A connection in memory: uvicorn's protocol over a transport that keeps what happens to it."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import httpx
import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from api.onewrite import OneWrite

CLOSED = b"closed"
DATE = (b"date", b"Mon, 21 Sep 2026 14:13:20 GMT")
ANSWER_S = 5.0


class Wire(asyncio.Transport):
    """`events`: what was written, write by write, and CLOSED."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[bytes] = []
        self.changed = asyncio.Event()
        self.reading = True
        self.protocol: Any = None

    def write(self, data: Any) -> None:
        assert not self.is_closing(), "written to a connection that is closed"
        self.events.append(bytes(data))
        self.changed.set()

    def close(self) -> None:
        if not self.is_closing():
            self.events.append(CLOSED)
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)
        self.changed.set()

    def is_closing(self) -> bool:
        return CLOSED in self.events

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Connection:
    """Of a server with this app. `state`: what the server's connections share."""

    def __init__(self, protocol: type[OneWrite], app: ASGIApp, state: ServerState | None = None) -> None:
        config = uvicorn.Config(
            app, interface="asgi3", http=protocol, ws="none", lifespan="off", log_config=None, access_log=False
        )
        config.load()
        self.state = ServerState() if state is None else state
        self.state.default_headers = [DATE]
        self.wire = Wire()
        self.protocol = self.wire.protocol = protocol(config=config, server_state=self.state, app_state={})
        self.protocol.connection_made(cast("asyncio.Transport", self.wire))

    @property
    def written(self) -> bytes:
        return b"".join(event for event in self.wire.events if event != CLOSED)

    @property
    def closed(self) -> bool:
        return self.wire.is_closing()

    def feed(self, data: bytes) -> None:
        """What one read of the socket would give."""
        self.protocol.data_received(data)

    def lose(self) -> None:
        """The client goes away."""
        self.wire.events.append(CLOSED)
        self.protocol.connection_lost(None)

    async def answers(self, count: int = 1) -> list[bytes]:
        """So many whole answers, as soon as they are there, or those that came before the connection was closed."""
        async with asyncio.timeout(ANSWER_S):
            while len(found := split(self.written)) < count and not self.closed:
                self.wire.changed.clear()
                await self.wire.changed.wait()
        return found


def split(written: bytes) -> list[bytes]:
    """The whole answers of a connection; each tells its Content-Length."""
    found = []
    while b"\r\n\r\n" in written:
        head, _, rest = written.partition(b"\r\n\r\n")
        (size,) = (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
        if len(rest) < size:
            break
        found.append(head + b"\r\n\r\n" + rest[:size])
        written = rest[size:]
    return found


def request_bytes(
    body: bytes, headers: list[tuple[bytes, bytes]], target: bytes = b"/v1/messages", line: bytes = b"POST %b HTTP/1.1"
) -> bytes:
    """A request as a client writes it; `headers` tell how long it is, or Content-Length does."""
    if not any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in headers):
        headers = [*headers, (b"Content-Length", b"%d" % len(body))]
    return b"\r\n".join([line % target, *(b"%b: %b" % header for header in headers), b"", body])


def response_of(answer: bytes) -> httpx.Response:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    headers = [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]
    return httpx.Response(int(status.split(b" ")[1]), headers=headers, content=body)


class Through(httpx.AsyncBaseTransport):
    """For httpx: what may go through the door comes on a connection of its own, the rest is asked of the app at once."""

    def __init__(self, protocol: type[OneWrite], app: ASGIApp) -> None:
        self._protocol = protocol
        self._app = app
        self._asgi = httpx.ASGITransport(app, raise_app_exceptions=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if (request.method, request.url.raw_path) != ("POST", b"/v1/messages"):
            return await self._asgi.handle_async_request(request)
        connection = Connection(self._protocol, self._app)
        connection.feed(request_bytes(await request.aread(), request.headers.raw))
        (answer,) = await connection.answers()
        return response_of(answer)
