"""carriers.toml changes while messages flow: a carrier comes, one gets a new password, one another rate and more lanes, and at
last one goes. Nobody restarts, and binds that did not change stay up."""

from __future__ import annotations

import json
from collections.abc import Sequence

from dev.carriers import Simulated, carriers_toml, scenario_json
from dev.installation import write_secret
from tests.scenario.cluster import SCENARIO, ScenarioCluster, StartCluster

NEW_PASSWORD = "changed"
ALPHA, BETA, GAMMA = Simulated("alpha"), Simulated("beta"), Simulated("gamma")
ALPHA_ANEW = Simulated("alpha", options={"password": NEW_PASSWORD})
BETA_ANEW = Simulated("beta", tps=300, lanes=3)


async def change(cluster: ScenarioCluster, carriers: Sequence[Simulated]) -> None:
    """The contract as both sides have it from now on."""
    place = cluster.cluster.installation
    scenario = json.loads(scenario_json(carriers, SCENARIO))
    for carrier in carriers:
        scenario["accounts"][carrier.name]["password"] = (carrier.options or {}).get("password", "secret")
    (await cluster.control.put("/scenario", json=scenario)).raise_for_status()
    write_secret(place.carriers, carriers_toml(carriers, place.port("smpp")))


async def binds_of(cluster: ScenarioCluster, carrier: str) -> set[int]:
    """Numbers of a carrier's binds, which no later bind gets again."""
    return {bind["bind"] for bind in (await cluster.stats())["binds"] if bind["system_id"] == carrier}


async def test_carriers_change_under_traffic(start_cluster: StartCluster) -> None:
    async with start_cluster(carriers=(ALPHA, BETA)) as cluster:
        sending = cluster.send(4000, rate=600)
        await cluster.submitted(500)
        of_beta, of_alpha = await binds_of(cluster, "beta"), await binds_of(cluster, "alpha")

        await change(cluster, (ALPHA_ANEW, BETA))

        async def rebound() -> bool:
            now = await binds_of(cluster, "alpha")
            return len(now) == 2 and not now & of_alpha

        await cluster.until(rebound, "binds of alpha with the new password", 15)
        await change(cluster, (ALPHA_ANEW, BETA, GAMMA))
        await cluster.binds("gamma", 2, 15)
        assert await binds_of(cluster, "beta") == of_beta
        of_alpha = await binds_of(cluster, "alpha")
        await change(cluster, (ALPHA_ANEW, BETA_ANEW, GAMMA))
        await cluster.binds("beta", 3, 15)
        assert (await sending).clean
        await cluster.over()
        await change(cluster, (ALPHA_ANEW, BETA_ANEW))
        await cluster.binds("gamma", 0, 15)
        assert await binds_of(cluster, "alpha") == of_alpha
        verdict = await cluster.audit()
        assert verdict.counts["delivered"] == 4000
        # A new password puts nothing in doubt: what is out is answered first.
        assert await cluster.fetch("select 1 from in_doubt where carrier = 'alpha'") == []
