"""A zombie: a dispatcher is frozen for longer than its session, its lanes get another owner, and it wakes.

What it had under way its successor lists; awake it writes nothing until the group has given it lanes again.
"""

from __future__ import annotations

import asyncio
import signal

from dev.carriers import Simulated
from tests.drill.judgement import Doubt, most_in_one_loss
from tests.scenario.cluster import StartCluster

SESSION_S = 3.0
LOST_BINDS_AFTER_S = SESSION_S + 3.0


async def test_a_dispatcher_sleeps_past_its_session(start_cluster: StartCluster) -> None:
    options = {"enquire_link_s": 60}
    carriers = (Simulated("alpha", options=options), Simulated("beta", options=options))
    async with start_cluster(
        carriers=carriers, settings={"SMPPD_KAFKA_SESSION_TIMEOUT_MS": str(round(SESSION_S * 1000))}
    ) as cluster:
        sending = cluster.send(6000, rate=600)
        await cluster.submitted(600)
        cluster.kill("dispatcher-1", signal.SIGSTOP)
        await asyncio.sleep(LOST_BINDS_AFTER_S)
        cluster.kill("dispatcher-1", signal.SIGCONT)
        assert (await sending).clean
        await cluster.over()
        verdict = await cluster.audit()  # of repeats that are not listed, too
        assert verdict.counts["distinct_submitted"] == 6000
        listed = await cluster.fetch(
            "select id::text, carrier, lane, reason, at_ms from in_doubt where reason = 'owner_lost'"
        )
        assert listed, "the successor listed nothing: the freeze was too short to test anything"
        # A lane changes hands twice: to the successor, and back to the one that woke. Each may leave its exposure in doubt.
        assert most_in_one_loss(Doubt(**row) for row in listed) <= 50
