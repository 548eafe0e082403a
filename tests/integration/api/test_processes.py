"""Real api processes on a real Kafka: keys, idempotency between processes, streams over a socket, an orderly end."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from schemas.ids import to_text
from tests.integration.api.rig import SEND, Api, Installation


@pytest.fixture
async def installation(kafka_bootstrap: str, topic_prefix: str, tmp_path: Path) -> Installation:
    made = Installation(kafka_bootstrap, topic_prefix, tmp_path)
    await made.create_topics()
    return made


async def test_a_hundred_posts_of_one_key_to_two_processes_are_one_message(installation: Installation) -> None:
    secret = await installation.key()
    async with installation.api() as one, installation.api() as other:
        async with one.client(secret) as first, other.client(secret) as second:
            answers = await asyncio.gather(
                *(
                    client.post("/v1/messages", json=SEND, headers={"Idempotency-Key": "k1"}, timeout=20)
                    for client in (first, second)
                    for _ in range(50)
                )
            )
        assert {answer.status_code for answer in answers} == {202}
        ids = {answer.json()["id"] for answer in answers}
        assert len(ids) == 1
        assert {to_text(message.id) for message in await installation.published()} == ids


async def test_a_key_works_at_once_and_is_refused_within_two_seconds_of_its_end(installation: Installation) -> None:
    async with installation.api() as api:
        code, out, _ = await installation.run("keys", "create", "--account", "shop", "--scopes", "send", "--json")
        made = json.loads(out)
        assert (code, made["account"], made["scopes"]) == (0, "shop", ["send"])
        async with api.client(made["secret"]) as client:
            await _until(client, 202)
            assert (await client.get("/v1/messages")).status_code == 403
            await installation.run("keys", "revoke", made["id"], "--reason", "test")
            revoked = time.monotonic()
            await _until(client, 401)
            assert time.monotonic() - revoked < 2
    code, out, _ = await installation.run("keys", "list", "--json")
    (listed,) = json.loads(out)
    assert (code, listed["id"], listed["revoked_at"] is not None) == (0, made["id"], True)
    assert made["secret"] not in out


async def _until(client: httpx.AsyncClient, status: int) -> None:
    async with asyncio.timeout(5):
        while (await client.post("/v1/messages", json=SEND)).status_code != status:
            await asyncio.sleep(0.05)


async def test_without_postgres_it_starts_sends_and_says_so(installation: Installation) -> None:
    secret = await installation.key()
    async with installation.api() as api, api.client(secret, timeout=20) as client:
        assert (await client.post("/v1/messages", json=SEND, headers={"Idempotency-Key": "k"})).status_code == 202
        read = await client.get("/v1/messages")
        assert (read.status_code, read.json()["code"]) == (503, "read_unavailable")
        ready = await client.get("/readyz")
        assert ready.status_code == 200
        assert "Postgres is not reachable" in ready.text
        metrics = (await client.get("/metrics")).text
        assert 'smppd_intake_messages_total{class="notice",outcome="accepted"} 1.0' in metrics


async def test_a_stream_goes_both_ways_over_one_connection(installation: Installation) -> None:
    secret = await installation.key()
    turns: asyncio.Queue[bytes] = asyncio.Queue()

    async def lines() -> AsyncIterator[bytes]:
        yield json.dumps({"defaults": {"text": "Hello", "sender": "Acme"}}).encode() + b"\n"
        for number in range(2_500):
            yield json.dumps({"to": f"+86138{number:08d}"}).encode() + b"\n"
            if number == 10:
                await turns.get()  # goes on only when results were seen

    async with installation.api() as api:
        reader, writer = await _connect(api)
        writer.write(
            f"POST /v1/batches HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\n"
            "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )

        async def write() -> None:
            async for line in lines():
                writer.write(b"%x\r\n%s\r\n" % (len(line), line))
                await writer.drain()
            writer.write(b"0\r\n\r\n")

        writing = asyncio.create_task(write())
        seen = b""
        async with asyncio.timeout(20):
            while b'"complete"' not in seen:
                seen += await reader.read(65_536)
                if b'"queued"' in seen:
                    turns.put_nowait(b"")
        await writing
        writer.close()
        assert seen.startswith(b"HTTP/1.1 202")
        assert b'"total":2500,"accepted":2500,"rejected":0,"complete":true' in seen
    assert len(await installation.published()) == 2_500


async def test_a_request_under_way_is_finished_when_the_process_is_told_to_stop(installation: Installation) -> None:
    secret = await installation.key()
    body = json.dumps(SEND).encode()
    async with installation.api() as api:
        reader, writer = await _connect(api)
        writer.write(
            f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\nExpect: 100-continue\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        )
        async with asyncio.timeout(20):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"  # it waits for the body now
            api.process.send_signal(signal.SIGTERM)
            while not await _refuses(api):
                await asyncio.sleep(0.02)
            writer.write(body)
            answer = await reader.read()
            assert await api.process.wait() == 0
        assert answer.startswith(b"HTTP/1.1 202")
    assert len(await installation.published()) == 1


async def test_connections_that_send_at_once_and_ahead_get_their_own_answers_in_order(
    installation: Installation,
) -> None:
    secret = await installation.key()
    body = json.dumps(SEND).encode()
    head = (
        f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nX-Request-Id: "
    ).encode()
    bursts = ((0,), (1, 2, 3), (4,))

    async def post(api: Api, name: str) -> list[str]:
        reader, writer = await _connect(api)
        found = []
        for burst in bursts:
            writer.write(b"".join(head + f"{name}-{number}\r\n\r\n".encode() + body for number in burst))
            found += [await _answered_id(reader) for _ in burst]
        writer.close()
        return found

    async with installation.api() as api, asyncio.timeout(20):
        found = await asyncio.gather(*(post(api, str(name)) for name in range(20)))
    assert found == [[f"{name}-{number}" for number in range(5)] for name in range(20)]
    assert len({message.id for message in await installation.published()}) == 100


async def _answered_id(reader: asyncio.StreamReader) -> str:
    """The request id of the next answer, which is a 202."""
    status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines if line)
    await reader.readexactly(int(headers["content-length"]))
    assert status == "HTTP/1.1 202 Accepted"
    return headers["x-request-id"]


async def _connect(api: Api) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = api.url.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


async def _refuses(api: Api) -> bool:
    try:
        _, writer = await _connect(api)
    except OSError:
        return True
    writer.close()
    return False


async def test_a_changed_carriers_file_is_taken_over(installation: Installation) -> None:
    secret = await installation.key()
    async with installation.api() as api, api.client(secret) as client:
        assert (await client.post("/v1/messages", json=SEND)).status_code == 202
        text = installation.carriers.read_text()
        installation.carriers.write_text(text.replace("[[routes]]", '[[routes]]\nclasses = ["otp"]'))
        async with asyncio.timeout(10):
            while (await client.post("/v1/messages", json=SEND)).status_code != 422:
                await asyncio.sleep(0.1)
