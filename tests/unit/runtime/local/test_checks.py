"""Readiness is what the server answers, not that its port is open."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from runtime.local import checks
from runtime.local.checks import http_ready, kafka_ready
from runtime.local.ports import HOST, free_port


@asynccontextmanager
async def answering(answer: Callable[[bytes], bytes]) -> AsyncIterator[int]:
    """A server on a free port that answers the first bytes of each connection, and closes it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(await reader.read(1000)))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


def metadata(correlation: int, brokers: int) -> bytes:
    """The head of a Metadata v1 answer."""
    body = struct.pack(">ii", correlation, brokers)
    return struct.pack(">i", len(body)) + body


async def test_http_200_is_ready() -> None:
    async with answering(lambda _: b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nready\n") as port:
        assert await http_ready(port)() is None


async def test_http_503_tells_what_the_role_waits_for() -> None:
    async with answering(lambda _: b"HTTP/1.1 503 Nope\r\n\r\nkafka: not reachable\npostgres: down\n") as port:
        assert await http_ready(port)() == "/readyz: kafka: not reachable"


async def test_the_path_is_asked_for() -> None:
    asked: list[bytes] = []

    def note(request: bytes) -> bytes:
        asked.append(request)
        return b"HTTP/1.1 200 OK\r\n\r\n"

    async with answering(note) as port:
        await http_ready(port, "/livez")()
    assert asked[0].startswith(b"GET /livez HTTP/1.1\r\n")


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1\r\n\r\n", b"\xff" * 50])
async def test_what_is_not_http_is_not_ready(answer: bytes) -> None:
    async with answering(lambda _: answer) as port:
        assert "no HTTP answer" in str(await http_ready(port)())


async def test_a_closed_port_is_not_ready() -> None:
    port = free_port()
    assert "Connect call failed" in str(await http_ready(port)())
    assert "Connect call failed" in str(await kafka_ready(port)())


async def test_kafka_is_ready_when_it_names_a_broker() -> None:
    async with answering(lambda _: metadata(checks._CORRELATION, 1)) as port:
        assert await kafka_ready(port)() is None
    async with answering(lambda _: metadata(checks._CORRELATION, 0)) as port:
        assert await kafka_ready(port)() == "metadata: no broker yet"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0\0",
        struct.pack(">i", 3) + b"abc",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        metadata(1, 1),
        struct.pack(">i", 99) + b"x",
    ],
)
async def test_what_is_not_kafka_is_not_ready(answer: bytes) -> None:
    async with answering(lambda _: answer) as port:
        assert str(await kafka_ready(port)()).startswith("metadata: ")


async def test_a_server_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "ANSWER_TIMEOUT_S", 0.05)
    silent = await asyncio.start_server(lambda reader, writer: asyncio.sleep(10), HOST, 0)
    port = int(silent.sockets[0].getsockname()[1])
    try:
        assert await http_ready(port)() == "/readyz: TimeoutError"
        assert await kafka_ready(port)() == "metadata: TimeoutError"
    finally:
        silent.close()
