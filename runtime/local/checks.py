"""Readiness checks: a real question to the server, not just an open port. Each gives None, or what is still missing."""

from __future__ import annotations

import asyncio
import struct

from runtime.local.ports import HOST
from runtime.local.process import ReadyCheck

ANSWER_TIMEOUT_S = 2.0
MAX_ANSWER_BYTES = 64 * 1024
_METADATA, _METADATA_VERSION = 3, 1
_CORRELATION = 4711


def http_ready(port: int, path: str = "/readyz", host: str = HOST) -> ReadyCheck:
    """Ready when GET answers 200; else the first line of the answer, which tells what the role waits for."""

    async def check() -> str | None:
        request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
        try:
            answer = await _ask(host, port, request.encode())
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as fault:
            return f"{path}: {str(fault) or type(fault).__name__}"
        head, _, body = answer.partition(b"\r\n\r\n")
        status = head.split(b"\r\n", 1)[0].split(b" ", 2)[1:2]
        if status == [b"200"]:
            return None
        said = body.decode(errors="replace").strip().splitlines()
        return f"{path}: {said[0] if said else 'no HTTP answer'}"

    return check


def kafka_ready(port: int, host: str = HOST) -> ReadyCheck:
    """Ready when a Metadata request names a broker: from then on topics can be made and groups joined."""

    async def check() -> str | None:
        try:
            return await _ask_metadata(host, port)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, struct.error) as fault:
            return f"metadata: {str(fault) or type(fault).__name__}"

    return check


async def _ask_metadata(host: str, port: int) -> str | None:
    # Request header v1 and Metadata v1 with an empty list of topics: the brokers and nothing else.
    client = b"smppd-ready"
    body = struct.pack(">hhih", _METADATA, _METADATA_VERSION, _CORRELATION, len(client)) + client + struct.pack(">i", 0)
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(struct.pack(">i", len(body)) + body)
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            (size,) = struct.unpack(">i", await reader.readexactly(4))
            if not 8 <= size <= MAX_ANSWER_BYTES:
                return f"metadata: an answer of {size} bytes; is it Kafka?"
            answer = await reader.readexactly(size)
    finally:
        writer.close()
    correlation, brokers = struct.unpack_from(">ii", answer)
    if correlation != _CORRELATION:
        return "metadata: an answer to somebody else; is it Kafka?"
    return None if brokers > 0 else "metadata: no broker yet"


async def _ask(host: str, port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(request)
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await reader.read(MAX_ANSWER_BYTES)
    finally:
        writer.close()
