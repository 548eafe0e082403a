"""Postgres is away, and a carrier has to be paused now: an operator's switches need Kafka only. They hold in every process
within two seconds, end by themselves when they should, and are in the audit log once Postgres is back. An api that is
restarted meanwhile still knows its keys and accepts.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from dev.carriers import Simulated
from runtime.local.postgres import PostgresServer
from tests.scenario.cluster import ScenarioCluster

IN_FORCE_S = 2.0
BODY = {"to": "+8613800000000", "text": "hello", "sender": "Acme"}
ONE_LANE_RATE = 40


async def accepted(cluster: ScenarioCluster, carrier: str) -> int:
    """Segments that the carrier has taken so far."""
    found: int = (await cluster.stats())["accounts"][carrier]["accepted"]
    return found


async def stands_still(cluster: ScenarioCluster, carrier: str, for_s: float = 1.0) -> bool:
    before = await accepted(cluster, carrier)
    await asyncio.sleep(for_s)
    return await accepted(cluster, carrier) == before


async def switch(client: httpx.AsyncClient, path: str, **order: Any) -> None:
    put = path.endswith("/tps")
    answer = await client.request("PUT" if put else "POST", f"/v1/carriers/{path}", json=order)
    assert answer.status_code == 200, answer.text


async def seen_by(client: httpx.AsyncClient, carrier: str, told: Callable[[dict[str, Any]], bool]) -> None:
    """Returns when this api tells it of the carrier. Raises TimeoutError."""
    async with asyncio.timeout(IN_FORCE_S):
        while True:
            listed = (await client.get("/v1/carriers")).raise_for_status().json()["data"]
            if told(next(each for each in listed if each["name"] == carrier)):
                return
            await asyncio.sleep(0.05)


async def test_an_operator_pauses_a_carrier_while_postgres_is_away(
    tmp_path: Path, kafka_bootstrap: str, server_home: Path, topic_prefix: str
) -> None:
    postgres = PostgresServer(server_home / "postgres", server_home / "postgres.log")
    await postgres.start()
    carriers = (Simulated("alpha", tps=200, lanes=1), Simulated("beta", tps=200, lanes=1))
    try:
        async with (
            ScenarioCluster(
                tmp_path / "cluster", kafka_bootstrap, postgres.dsn, topic_prefix, carriers=carriers, apis=2
            ) as cluster,
            httpx.AsyncClient(base_url=cluster.cluster.api_urls[1], headers=cluster.api.headers, timeout=10) as other,
        ):
            await tell(cluster, other, postgres)
    finally:
        await postgres.stop()


async def tell(cluster: ScenarioCluster, other: httpx.AsyncClient, postgres: PostgresServer) -> None:
    sending = cluster.send(4000, rate=150, batch_size=10)
    await cluster.submitted(200)
    assert (await cluster.api.get("/v1/messages")).status_code == 200
    await postgres.stop()

    # Paused by one api: the other one and the dispatcher that has the lane hear of it.
    await switch(cluster.api, "alpha/pause", reason="their incident 17")
    began = time.monotonic()
    await seen_by(other, "alpha", lambda alpha: alpha["state"] == "paused")
    await asyncio.sleep(max(0.0, began + IN_FORCE_S - time.monotonic()))
    assert await stands_still(cluster, "alpha")
    assert not await stands_still(cluster, "beta"), "one carrier's switch stopped another"

    await an_api_is_restarted(cluster, other)

    # Resumed by command, at a fifth of its rate.
    told = await cluster.command("carriers", "tps", "alpha", str(ONE_LANE_RATE), "--reason", "slowly", "--json")
    assert json.loads(told[told.index("{") :])["tps"] == ONE_LANE_RATE
    await cluster.command("carriers", "resume", "alpha", "--reason", "incident 17 is over")
    await asyncio.sleep(IN_FORCE_S)
    before, began = await accepted(cluster, "alpha"), time.monotonic()
    await asyncio.sleep(3.0)
    rate = (await accepted(cluster, "alpha") - before) / (time.monotonic() - began)
    # The window between two looks is not whole seconds: a burst may lie in it.
    assert 0.8 * ONE_LANE_RATE <= rate <= 1.2 * ONE_LANE_RATE
    await switch(other, "alpha/tps", tps=None, reason="as agreed")

    # A pause that ends by itself.
    until = (datetime.now(UTC) + timedelta(seconds=IN_FORCE_S + 2.5)).isoformat()
    await switch(other, "beta/pause", reason="maintenance", until=until)
    await asyncio.sleep(IN_FORCE_S)
    assert await stands_still(cluster, "beta", 0.4)
    before = await accepted(cluster, "beta")

    async def goes_on() -> bool:
        return await accepted(cluster, "beta") > before

    await cluster.until(goes_on, "beta sending again by itself", 2.5 + IN_FORCE_S)

    # What is queued for a drained carrier leaves by the other one.
    await switch(cluster.api, "alpha/drain", reason="contract ends")
    await asyncio.sleep(IN_FORCE_S)
    assert await stands_still(cluster, "alpha")
    assert (await sending).clean, "intake stopped with Postgres"

    await postgres.start()
    await cluster.over()
    assert (await cluster.audit()).counts["distinct_submitted"] == 4000
    await audited(cluster)


async def an_api_is_restarted(cluster: ScenarioCluster, other: httpx.AsyncClient) -> None:
    """It has its keys, and what operators switched, from Kafka."""
    await cluster.restart("api-2")
    assert (await other.post("/v1/messages/preview", json=BODY)).status_code == 200
    wrong = await other.post("/v1/messages", json=BODY, headers={"Authorization": "Bearer sk_test_wrong"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "unauthorized")
    read = await other.get("/v1/messages")
    assert (read.status_code, read.json()["code"]) == (503, "read_unavailable")
    assert int(read.headers["retry-after"]) > 0
    await seen_by(other, "alpha", lambda alpha: alpha["state"] == "paused")


async def audited(cluster: ScenarioCluster) -> None:
    """Each act, oldest first, with who did it, why and when."""
    page = (await cluster.api.get("/v1/audit?kind=carrier")).raise_for_status().json()["data"]
    told = [(row["subject"], row["reason"], row["what"]["state"]) for row in reversed(page)]
    assert told == [
        ("alpha", "their incident 17", "paused"),
        ("alpha", "slowly", "paused"),
        ("alpha", "incident 17 is over", "active"),
        ("alpha", "as agreed", "active"),
        ("beta", "maintenance", "paused"),
        ("alpha", "contract ends", "draining"),
    ]
    actors = [row["actor"] for row in reversed(page)]
    assert actors[1] == actors[2]
    assert "/" not in actors[1], "a command names the user of the machine"
    assert all(actor.startswith("dev/") for actor in (actors[0], *actors[3:]))
    for row in page:
        age_s = (datetime.now(UTC) - datetime.fromisoformat(row["at"])).total_seconds()
        assert 0 <= age_s < 180
