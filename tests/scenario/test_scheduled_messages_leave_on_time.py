"""Messages for later leave at their time, once each, though the scheduler is killed as they become due; what is canceled
before never leaves, what is given another time leaves then."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.scenario.cluster import ScenarioCluster, StartCluster

COUNT = 400


def in_s(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


async def submits(cluster: ScenarioCluster) -> dict[str, list[float]]:
    """When each destination was submitted."""
    found: dict[str, list[float]] = {}
    for line in cluster.journal.read_text().splitlines():
        entry = json.loads(line)
        if entry["type"] == "submit":
            found.setdefault(entry["destination"], []).append(entry["at"])
    return found


async def test_scheduled_messages_leave_on_time(start_cluster: StartCluster) -> None:
    async with start_cluster(dispatchers=1) as cluster:
        send_at = in_s(6)
        due = datetime.fromisoformat(send_at).timestamp()
        numbers = [f"86138{number:08d}" for number in range(COUNT)]
        body: dict[str, Any] = {
            "defaults": {"text": "later", "class": "notice", "sender": "Acme", "send_at": send_at},
            "messages": [{"to": f"+{number}"} for number in numbers],
        }
        answer = (await cluster.api.post("/v1/batches", json=body)).raise_for_status().json()
        ids = [row["id"] for row in answer["results"]]
        assert {row["status"] for row in answer["results"]} == {"scheduled"}

        async def visible() -> bool:
            return (await cluster.api.get(f"/v1/messages/{ids[-1]}")).status_code == 200

        await cluster.until(visible, "the projection of the last message")
        (await cluster.api.post(f"/v1/messages/{ids[0]}/cancel")).raise_for_status()
        (await cluster.api.patch(f"/v1/messages/{ids[1]}", json={"send_at": in_s(9)})).raise_for_status()
        assert time.time() < due, "the machine is too slow for this story"
        await asyncio.sleep(due - time.time() + 0.05)
        cluster.kill("scheduler-1")
        await cluster.submitted(COUNT - 1)

        # The journal gathers its lines for up to 50 ms.
        await asyncio.sleep(0.2)
        found = await submits(cluster)
        assert set(found) == set(numbers[1:])
        assert all(len(times) == 1 for times in found.values()), "a message left twice"
        assert min(map(min, found.values())) >= due
        assert found[numbers[1]][0] >= due + 2
        states = {row["status"] for row in await cluster.fetch("select status from audit_messages where not is_final")}
        assert states <= {"sent", "queued"}
        rows = await cluster.fetch("select status from audit_messages where id = $1", ids[0])
        assert [row["status"] for row in rows] == ["canceled"]
        await cluster.until(lambda: _empty(cluster), "an empty list of what is due")


async def _empty(cluster: ScenarioCluster) -> bool:
    rows = await cluster.fetch("select (select count(*) from due_messages) + (select count(*) from releases) as left")
    return bool(rows[0]["left"] == 0)
