"""The api with a recorder and a real Postgres beside it: what was accepted shows up, and repeats are answered."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.integration.api.rig import SEND, Installation


@pytest.fixture
async def installation(kafka_bootstrap: str, topic_prefix: str, tmp_path: Path, postgres_dsn: str) -> Installation:
    made = Installation(kafka_bootstrap, topic_prefix, tmp_path)
    await made.create_topics()
    await made.migrate(postgres_dsn)
    return made


async def shown(client: httpx.AsyncClient, path: str) -> httpx.Response:
    """The answer, once it is there; until then it must be "not yet"."""
    async with asyncio.timeout(20):
        while (response := await client.get(path)).status_code != 200:
            assert response.json()["code"] == "not_visible_yet"
            await asyncio.sleep(0.1)
    return response


async def test_what_was_accepted_shows_up(installation: Installation) -> None:
    secret = await installation.key("--scopes", "send,read:content")
    masked = await installation.key("--scopes", "read")
    async with (
        installation.process("recorder"),
        installation.api() as api,
        api.client(secret) as client,
        api.client(masked) as other,
    ):
        body = {**SEND, "client_ref": "o-1", "tags": ["a"], "metadata": {"k": "v"}, "campaign_id": "c"}
        accepted = (await client.post("/v1/messages", json=body)).json()
        found = (await shown(client, f"/v1/messages/{accepted['id']}")).json()
        assert {name: found[name] for name in accepted} == accepted
        assert {name: found[name] for name in body} == body
        assert (found["is_final"], found["attempts"], found["timeline"][0]["type"]) == (False, [], "queued")
        assert (await other.get(f"/v1/messages/{accepted['id']}")).json()["to"] == "+861380****000"
        for query in ("client_ref=o-1", "tag=a", "to=%2B8613800000000", "status=queued&carrier=alpha&class=notice"):
            page = (await client.get(f"/v1/messages?{query}")).json()
            assert [each["id"] for each in page["data"]] == [accepted["id"]], query
        assert (await client.get("/v1/in-doubt")).json() == {"data": [], "next_cursor": None}


async def test_pages_go_through_all_messages_and_a_batch_is_counted(installation: Installation) -> None:
    secret = await installation.key()
    async with installation.process("recorder"), installation.api() as api, api.client(secret) as client:
        rows = [{"to": f"+86138{number:08d}"} for number in range(12)]
        batch = {"name": "b", "defaults": {"text": "Hi", "sender": "Acme"}, "messages": [*rows, {"to": "x"}]}
        answer = (await client.post("/v1/batches", json=batch)).json()
        path = f"/v1/batches/{answer['batch_id']}"
        async with asyncio.timeout(20):
            while (found := (await shown(client, path)).json())["counts"].get("queued", 0) < 12:
                await asyncio.sleep(0.1)
        assert (found["total"], found["accepted"], found["rejected"], found["complete"]) == (13, 12, 1, True)
        seen: list[str] = []
        query = {"limit": "5", "batch_id": answer["batch_id"]}
        while True:
            page = (await client.get("/v1/messages", params=query)).json()
            seen += [each["id"] for each in page["data"]]
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
        assert sorted(seen) == sorted(row["id"] for row in answer["results"] if "id" in row)
        assert (await client.get("/v1/messages?cursor=nonsense")).status_code == 422


async def test_a_repeat_is_answered_by_a_restarted_api_and_not_sent_again(installation: Installation) -> None:
    secret = await installation.key()
    headers = {"Idempotency-Key": "k1"}
    rows = [{**SEND, "to": f"+86138{number:08d}"} for number in range(30)]
    async with installation.process("recorder"):
        async with installation.api() as api, api.client(secret) as client:
            first = await client.post("/v1/messages", json=SEND, headers=headers)
            batch = await client.post("/v1/batches", json={"messages": rows}, headers={"Idempotency-Key": "k2"})
            for one in (first.json(), *batch.json()["results"]):
                await shown(client, f"/v1/messages/{one['id']}")
        async with installation.api() as api, api.client(secret) as client:
            second = await client.post("/v1/messages", json=SEND, headers=headers)
            assert second.headers["idempotency-replayed"] == "true"
            assert second.json() == first.json()
            again = await client.post("/v1/batches", json={"messages": rows}, headers={"Idempotency-Key": "k2"})
            assert again.headers["idempotency-replayed"] == "true"
            assert again.json() == batch.json()
            other = await client.post("/v1/messages", json={**SEND, "text": "Other"}, headers=headers)
            assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len(await installation.published()) == 31
