"""kill -9 of every role at once, in the middle of traffic: all come back, and what was answered 202 arrives.

Requests under way get no answer; the client repeats them under their keys, so that none is lost and none is doubled.
"""

from __future__ import annotations

from tests.scenario.cluster import StartCluster

ROLES = ("api-1", "dispatcher-1", "dispatcher-2", "recorder-1")


async def test_all_roles_are_killed_at_once(start_cluster: StartCluster) -> None:
    async with start_cluster() as cluster:
        sending = cluster.send(2000, rate=800, batch_size=50)
        await cluster.submitted(300)
        for name in ROLES:
            cluster.kill(name)
        await cluster.ready(*ROLES)
        result = await sending
        assert result.clean
        assert result.figures.accepted == 2000
        await cluster.over()
        verdict = await cluster.audit()
        assert verdict.counts["delivered"] == 2000
