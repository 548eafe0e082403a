"""Kafka goes away under a running api, by dying or by freezing, and comes back."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from runtime.local.kafka import KafkaServer
from runtime.local.places import KAFKA_CACHE
from tests.integration.api.rig import SEND, Installation

ANSWER_S = 2.0


@pytest.fixture
async def kafka(server_home: Path) -> AsyncIterator[KafkaServer]:
    server = KafkaServer(server_home / "kafka", server_home / "kafka.log", KAFKA_CACHE, os.environ)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def installation(kafka: KafkaServer, tmp_path: Path) -> Installation:
    made = Installation(kafka.bootstrap, "t-", tmp_path)
    await made.create_topics()
    return made


async def test_without_kafka_nothing_is_accepted_and_the_answer_comes_in_time(
    kafka: KafkaServer, installation: Installation
) -> None:
    secret = await installation.key()
    async with installation.api() as api, api.client(secret, timeout=20) as client:
        assert (await client.post("/v1/messages", json=SEND)).status_code == 202
        await kafka.kill()
        for _ in range(3):
            await _refused_in_time(client)
        await _until_ready(client, 503)
        await kafka.start()
        await _until_ready(client, 200)
        await _one_message_in_the_end(installation, client)


async def test_a_kafka_that_freezes_is_one_that_is_away(kafka: KafkaServer, installation: Installation) -> None:
    """It takes connections and never answers: what waits for it is given up in time, and switches are, too."""
    secret = await installation.key("--scopes", "*")
    async with installation.api() as api, api.client(secret, timeout=20) as client:
        assert (await client.post("/v1/messages", json=SEND)).status_code == 202
        assert kafka.pid is not None
        os.kill(kafka.pid, signal.SIGSTOP)
        try:
            for _ in range(3):
                await _refused_in_time(client)
            began = time.monotonic()
            switch = await client.post("/v1/carriers/alpha/pause", json={"reason": "a test"})
            assert (switch.status_code, switch.json()["code"]) == (503, "not_recorded")
            assert int(switch.headers["retry-after"]) > 0
            assert time.monotonic() - began < 2 * ANSWER_S  # what is in force is read first, then the switch is written
            await _until_ready(client, 503)
        finally:
            os.kill(kafka.pid, signal.SIGCONT)
        await _until_ready(client, 200)
        await _one_message_in_the_end(installation, client)


async def _refused_in_time(client: httpx.AsyncClient) -> None:
    began = time.monotonic()
    answer = await client.post("/v1/messages", json=SEND, headers={"Idempotency-Key": "k1"})
    assert time.monotonic() - began < ANSWER_S
    assert (answer.status_code, answer.json()["code"]) == (503, "intake_unavailable")
    assert answer.headers["retry-after"] == "2"


async def _one_message_in_the_end(installation: Installation, client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/messages", json=SEND, headers={"Idempotency-Key": "k1"})
    assert answer.status_code == 202
    ids = [message.id for message in await installation.published()]
    assert len(set(ids)) == 2, "what timed out and its repeat are one message"


async def _until_ready(client: httpx.AsyncClient, status: int) -> None:
    async with asyncio.timeout(40):
        while (await client.get("/readyz")).status_code != status:
            await asyncio.sleep(0.2)
