"""The demo's story: under traffic one bind drops in the middle of a submit, and one dispatcher is killed.

Nothing is lost, nothing is repeated without being listed, and all is delivered.
"""

from __future__ import annotations

from tests.scenario.cluster import StartCluster


async def test_a_bind_drops_and_a_dispatcher_dies(start_cluster: StartCluster) -> None:
    # A session timeout of 2 s rather than 6: the lanes move sooner.
    async with start_cluster(settings={"SMPPD_KAFKA_SESSION_TIMEOUT_MS": "2000"}) as cluster:
        sending = cluster.send(3000, rate=1500)
        await cluster.submitted(400)
        await cluster.fault("disconnect", carrier="alpha", mode="before_response", times=1)
        await cluster.submitted(800)
        cluster.pause("dispatcher-1")
        cluster.kill("dispatcher-1")
        await cluster.binds("alpha", 2)
        await cluster.binds("beta", 2)
        cluster.resume("dispatcher-1")
        result = await sending
        assert result.clean
        await cluster.over()
        verdict = await cluster.audit()
        assert verdict.counts["delivered"] == verdict.counts["distinct_submitted"] == 3000
        doubts = await cluster.fetch("select reason, count(distinct id) as messages from in_doubt group by reason")
        listed = {row["reason"]: row["messages"] for row in doubts}
        # At most one window a lane and loss (P2): one bind, then the two lanes of a dispatcher.
        assert 0 < listed.pop("bind_lost") <= 50
        assert listed.pop("owner_lost", 0) <= 2 * 50
        assert listed == {}
