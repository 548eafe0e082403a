"""Somebody starts a second dispatcher with the first one's SMPPD_INSTANCE_ID: they take each other's place in the group, until
one ends and says why. The other goes on, and nothing is lost or repeated unlisted meanwhile."""

from __future__ import annotations

import asyncio

from tests.scenario.cluster import ScenarioCluster, StartCluster

NAMES = ("dispatcher-1", "dispatcher-2")


def ended(cluster: ScenarioCluster) -> list[str]:
    """Processes whose last word is about the id."""
    logs = [(name, cluster.log(name)) for name in NAMES]
    return [name for name, log in logs if log.exists() and "SMPPD_INSTANCE_ID" in log.read_text()]


async def test_two_processes_with_one_instance_id(start_cluster: StartCluster) -> None:
    async with start_cluster(dispatchers=1, settings={"SMPPD_KAFKA_SESSION_TIMEOUT_MS": "2000"}) as cluster:
        twin = cluster.cluster.roles.role("dispatcher", 2, instance_id="dispatcher-1")
        starting = asyncio.create_task(cluster.cluster.supervisor.start(twin))
        await asyncio.sleep(0)
        for name in NAMES:
            cluster.pause(name)

        async def one_ended() -> bool:
            return bool(ended(cluster))

        # Nothing is sent: that they live is all that the group hears of them.
        await cluster.until(one_ended, "an end that says why", 20)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        assert len(ended(cluster)) == 1
        await cluster.binds("alpha", 2)
        await cluster.binds("beta", 2)
        assert (await cluster.send(200, rate=500)).clean
        await cluster.over()
        verdict = await cluster.audit()
        assert verdict.counts["delivered"] == 200
