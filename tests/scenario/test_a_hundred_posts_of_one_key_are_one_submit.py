"""A client repeats one request a hundred times at once, at two api processes: one id, one submit."""

from __future__ import annotations

import asyncio
import json

import httpx

from tests.scenario.cluster import StartCluster

BODY = {"to": "+8613800000001", "text": "your code is 1234", "class": "otp", "sender": "Acme"}


async def test_a_hundred_posts_of_one_key_are_one_submit(start_cluster: StartCluster) -> None:
    async with start_cluster(apis=2, dispatchers=1) as cluster:
        headers = {"Authorization": f"Bearer {cluster.key}", "Idempotency-Key": "order-1"}
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(headers=headers, limits=limits, timeout=30) as client:
            urls = [cluster.cluster.api_urls[number % 2] for number in range(100)]
            answers = await asyncio.gather(*(client.post(f"{url}/v1/messages", json=BODY) for url in urls))
        assert {answer.status_code for answer in answers} == {202}
        (id,) = {answer.json()["id"] for answer in answers}

        async def delivered() -> bool:
            rows = await cluster.fetch("select id::text, status from audit_messages")
            return [(row["id"], row["status"]) for row in rows] == [(id, "delivered")]

        await cluster.until(delivered, "the one message delivered")
        # Repeats would have come by now: they stand behind it in the same lane.
        await asyncio.sleep(0.5)
        entries = [json.loads(line) for line in cluster.journal.read_text().splitlines()]
        assert sum(entry["type"] == "submit" for entry in entries) == 1
