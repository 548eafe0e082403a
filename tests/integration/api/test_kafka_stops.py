"""Kafka goes away under a running api, and comes back."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import httpx

from runtime.local.kafka import KafkaServer
from runtime.local.places import KAFKA_CACHE
from tests.integration.api.rig import SEND, Installation


async def test_without_kafka_nothing_is_accepted_and_the_answer_comes_in_time(
    server_home: Path, tmp_path: Path
) -> None:
    kafka = KafkaServer(server_home / "kafka", server_home / "kafka.log", KAFKA_CACHE, os.environ)
    await kafka.start()
    try:
        installation = Installation(kafka.bootstrap, "t-", tmp_path)
        await installation.create_topics()
        secret = await installation.key()
        async with installation.api() as api, api.client(secret, timeout=20) as client:
            assert (await client.post("/v1/messages", json=SEND)).status_code == 202
            await kafka.kill()
            for _ in range(3):
                began = time.monotonic()
                answer = await client.post("/v1/messages", json=SEND, headers={"Idempotency-Key": "k1"})
                assert time.monotonic() - began < 2
                assert (answer.status_code, answer.json()["code"]) == (503, "intake_unavailable")
                assert answer.headers["retry-after"] == "2"
            await _until_ready(client, 503)
            await kafka.start()
            await _until_ready(client, 200)
            answer = await client.post("/v1/messages", json=SEND, headers={"Idempotency-Key": "k1"})
            assert answer.status_code == 202
            ids = [message.id for message in await installation.published()]
            assert len(set(ids)) == 2, "what timed out and its repeat are one message"
    finally:
        await kafka.stop()


async def _until_ready(client: httpx.AsyncClient, status: int) -> None:
    async with asyncio.timeout(40):
        while (await client.get("/readyz")).status_code != status:
            await asyncio.sleep(0.2)
