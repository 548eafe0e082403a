"""The owner of a lane is killed, and its successor too while it resends what is in doubt: doubts stay within the exposure at
each loss, and whatever is repeated is listed."""

from __future__ import annotations

from dev.carriers import Simulated
from tests.scenario.cluster import StartCluster

WINDOW = 20
SLOW = {"latency": {"kind": "uniform", "low_s": 0.2, "high_s": 0.4}, "receipts": {"delay": 0.2, "retry_s": 1}}
"""Answers take a while, so that a kill finds the window full, and the next one the resends without an answer."""


async def test_a_second_crash_during_the_resend(start_cluster: StartCluster) -> None:
    carriers = (Simulated("alpha", lanes=1, window=WINDOW, tps=200),)
    settings = {"SMPPD_KAFKA_SESSION_TIMEOUT_MS": "2000"}
    async with start_cluster(carriers=carriers, scenario=SLOW, dispatchers=1, settings=settings) as cluster:
        sending = cluster.send(300, rate=600)
        await cluster.submitted(2 * WINDOW)
        for _ in range(2):
            cluster.kill("dispatcher-1")
            await cluster.binds("alpha", 0)
            # It is back with its lane at once (static membership), and begins with the resends.
            await cluster.binds("alpha", 1)
            resends = (await cluster.stats())["accepted"]
            await cluster.submitted(resends + 3)
        assert (await sending).clean
        await cluster.over()
        verdict = await cluster.audit()
        assert verdict.counts["distinct_submitted"] == 300
        doubts = await cluster.fetch(
            "select at_ms / 500 as taken, count(*) as messages from in_doubt where reason = 'owner_lost' group by 1"
        )
        assert len(doubts) >= 2, doubts
        assert all(row["messages"] <= WINDOW for row in doubts), doubts
