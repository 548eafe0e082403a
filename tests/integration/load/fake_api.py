"""An api that accepts everything at once, or is as unwilling as a test wants it: for tests of the load tool, and for what it
can do by itself (`python -m tests.integration.load.fake_api` prints its address and serves until it is stopped).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import httptools
import uvloop

HEAD = b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\n"
BUSY = b'{"code":"intake_unavailable","retryable":true}'


class Request(NamedTuple):
    path: str
    key: str
    body: bytes

    @property
    def messages(self) -> int:
        return self.body.count(b'"to":')


class Reply(NamedTuple):
    """`status` 0: no answer, the connection is closed."""

    status: int
    body: bytes = b""
    headers: bytes = b""
    after_s: float = 0.0


class FakeApi:
    """What came, and how it is answered. `script` may answer in place of the usual 202."""

    def __init__(self, script: Callable[[Request], Reply | None] = lambda request: None) -> None:
        self.script = script
        self.requests: list[Request] = []
        self.keys: Counter[str] = Counter()
        self.keep = True
        self.connections: set[Exchange] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> FakeApi:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Exchange(self), "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for exchange in list(self.connections):
            exchange.transport.abort()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def reply(self, request: Request) -> Reply:
        if self.keep:
            self.requests.append(request)
            self.keys[request.key] += 1
        return self.script(request) or Reply(202, accepted(request))


def accepted(request: Request, of: Callable[[int], str | None] = lambda index: None) -> bytes:
    """The usual 202; `of` may give a row in place of a queued one."""
    if request.path == "/v1/messages":
        return b'{"id":"%b","status":"queued"}' % identity(request.key, 0)
    rows = [of(index) or result(request.key, index) for index in range(request.messages)]
    return b'{"batch_id":"b-%b","results":[%b]}' % (request.key.encode(), ",".join(rows).encode())


def result(key: str, index: int) -> str:
    return f'{{"index":{index},"id":"{identity(key, index).decode()}","status":"queued"}}'


def rejected(index: int, code: str, retryable: bool) -> str:
    error = f'{{"code":"{code}","field":null,"detail":"","retryable":{str(retryable).lower()}}}'
    return f'{{"index":{index},"status":"rejected","error":{error}}}'


def identity(key: str, index: int) -> bytes:
    """The id of a message: the same for each repeat."""
    return f"{key or 'unkeyed'}/{index}".encode()


class Exchange(asyncio.Protocol):
    """One connection."""

    def __init__(self, api: FakeApi) -> None:
        self._api = api
        self._path, self._key, self._chunked, self._body = "", "", False, b""
        self._lines = 0
        self._batch_told = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._parser: Any = httptools.HttpRequestParser(self)
        self._api.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._api.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path, self._key, self._chunked, self._body = url.decode(), "", False, b""
        self._lines, self._batch_told = 0, False

    def on_header(self, name: bytes, value: bytes) -> None:
        if name == b"Idempotency-Key":
            self._key = value.decode()
        elif name == b"Transfer-Encoding":
            self._chunked = True

    def on_body(self, body: bytes) -> None:
        self._body += body
        if self._chunked:
            self._answer_lines()

    def on_message_complete(self) -> None:
        if self._chunked:
            self._write_chunk(b'{"batch_id":"b","total":%d,"complete":true}\n' % self._lines)
            self.transport.write(b"0\r\n\r\n")
            return
        self._send(self._api.reply(Request(self._path, self._key, self._body)))

    def _answer_lines(self) -> None:
        complete, _, self._body = self._body.rpartition(b"\n")
        if not complete:
            return
        reply = self._api.reply(Request(self._path, self._key, complete))
        if reply.status != 202:
            self._send(reply)
            return
        if not self._batch_told:
            self._batch_told = True
            self.transport.write(HEAD % (202, b"Accepted") + b"transfer-encoding: chunked\r\n\r\n")
            self._write_chunk(b'{"batch_id":"b-%b"}\n' % self._key.encode())
        count = complete.count(b"\n") + 1
        rows = [result(self._key, index) for index in range(self._lines, self._lines + count)]
        self._lines += count
        self._write_chunk("\n".join(rows).encode() + b"\n")

    def _write_chunk(self, data: bytes) -> None:
        self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _send(self, reply: Reply) -> None:
        if not reply.status:
            self.transport.abort()
            return
        head = HEAD % (reply.status, b"X") + reply.headers + b"content-length: %d\r\n\r\n" % len(reply.body)
        if reply.after_s:
            asyncio.get_running_loop().call_later(reply.after_s, self.transport.write, head + reply.body)
        else:
            self.transport.write(head + reply.body)


async def _serve() -> None:
    kept: dict[tuple[str, int], bytes] = {}

    def quick(request: Request) -> Reply:
        # Built once for each size: this side must not be what is measured.
        unkeyed = Request(request.path, "", b"")
        place = (request.path, request.messages)
        if place not in kept:
            kept[place] = accepted(unkeyed._replace(body=request.body))
        return Reply(202, kept[place])

    async with FakeApi(quick) as api:
        api.keep = False
        print(api.url, flush=True)
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())
