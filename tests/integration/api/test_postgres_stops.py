"""Postgres stops, and an api is restarted without it: it knows its keys, accepts, and says what it can't tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from runtime.local.postgres import PostgresServer
from tests.integration.api.rig import SEND, Installation


@pytest.fixture
async def postgres(server_home: Path) -> AsyncIterator[PostgresServer]:
    server = PostgresServer(server_home / "postgres", server_home / "postgres.log")
    await server.start()
    yield server
    await server.stop()


async def visible(client: httpx.AsyncClient, id: str) -> None:
    async with asyncio.timeout(30):
        while (await client.get(f"/v1/messages/{id}")).status_code != 200:
            await asyncio.sleep(0.1)


async def test_an_api_that_is_restarted_without_postgres_authenticates_and_accepts(
    kafka_bootstrap: str, topic_prefix: str, tmp_path: Path, postgres: PostgresServer
) -> None:
    installation = Installation(kafka_bootstrap, topic_prefix, tmp_path)
    await installation.create_topics()
    await installation.migrate(postgres.dsn)
    secret = await installation.key()
    headers = {"Idempotency-Key": "order-1"}
    async with installation.process("recorder"):
        async with installation.api() as api, api.client(secret, timeout=20) as client:
            first = (await client.post("/v1/messages", json=SEND, headers=headers)).json()["id"]
            await visible(client, first)
        await postgres.stop()
        async with installation.api() as api, api.client(secret, timeout=20) as client:
            second = await client.post("/v1/messages", json=SEND)
            assert second.status_code == 202
            repeat = await client.post("/v1/messages", json=SEND, headers=headers)
            assert (repeat.status_code, repeat.json()["id"]) == (202, first), (
                "a repeat has its id without the projection"
            )
            wrong = await client.post("/v1/messages", json=SEND, headers={"Authorization": "Bearer sk_live_wrong"})
            assert (wrong.status_code, wrong.json()["code"]) == (401, "unauthorized")
            for path in (f"/v1/messages/{first}", "/v1/messages", "/v1/in-doubt", "/v1/inbound"):
                read = await client.get(path)
                assert (read.status_code, read.json()["code"]) == (503, "read_unavailable"), path
                assert read.headers["retry-after"] == "2"
            assert (await client.get("/readyz")).status_code == 200
            await postgres.start()
            await visible(client, second.json()["id"])
