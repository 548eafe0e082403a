"""Drills with carriers of their own: a backlog drained, failover, a contract that changes, an SMSC that forgets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from dev.carriers import Simulated
from tests.drill.stage import LANES, PATIENCE_S, WINDOW, Outcome, Stage, stage

DRAINED: Final = 20_000
MANY: Final = 1_000_000
MANY_PATIENCE_S: Final = 900.0
SHORT: Final = {"short": 1, "long": 0, "ucs2": 0, "emoji": 0}
DOWN_S: Final = 10.0
BESIDE: Final = Simulated("beta", tps=1_000, window=WINDOW, options={"submit_timeout_s": 10})
Drill = Callable[[Stage], Awaitable[None]]


def apart(
    name: str, drill: Drill, carriers: Sequence[Simulated], forgetful: bool = False
) -> Callable[[int], Awaitable[Outcome]]:
    """A drill on a stage of its own."""

    async def play(seed: int) -> Outcome:
        async with stage(seed, carriers=carriers) as one:
            return await one.play(name, drill, forgetful=forgetful)

    return play


async def drain(one: Stage) -> None:
    """An operator drains alpha, which has a backlog of minutes: it leaves by beta. Then alpha is taken back."""
    # First the backlog: what comes after the order goes to beta by itself.
    one.expect((await one.send(DRAINED, 4_000, texts=SHORT)).clean, "some messages were never accepted")
    one.broken()
    order = {"reason": "drill"}
    (await one.cluster.api.post("/v1/carriers/alpha/drain", json=order)).raise_for_status()
    # Effective within two seconds, in every process.
    await asyncio.sleep(2)
    still = await one.accepted("alpha")
    await one.cluster.over(PATIENCE_S)
    late = await one.accepted("alpha") - still
    one.expect(late == 0, f"alpha got {late} segments though it is drained")
    moved = await _moved(one)
    print(f"    drain: {moved:,} messages of the backlog left by the other carrier")
    one.expect(moved > DRAINED / 5, f"only {moved} messages left by the other carrier")
    (await one.cluster.api.post("/v1/carriers/alpha/resume", json=order)).raise_for_status()
    one.broken()
    await one.recovered()


async def drain_a_million(one: Stage) -> None:
    """As `drain`, with a backlog of a million: beta is closed while it gathers. It leaves in minutes, none of it by alpha."""
    order = {"reason": "drill"}
    (await one.cluster.api.post("/v1/carriers/beta/drain", json=order)).raise_for_status()
    await asyncio.sleep(2)
    sending = one.send(MANY, None, batch_size=1000, connections=6, classes={"marketing": 1}, texts=SHORT)
    one.expect((await sending).clean, "some messages were never accepted")
    waited = await _queued(one, "alpha")
    one.expect(waited > MANY * 0.9, f"only {waited} messages waited")
    (await one.cluster.api.post("/v1/carriers/beta/resume", json=order)).raise_for_status()
    one.broken()
    began = time.monotonic()
    (await one.cluster.api.post("/v1/carriers/alpha/drain", json=order)).raise_for_status()
    await asyncio.sleep(2)
    still = await one.accepted("alpha")
    while await _queued(one, "alpha"):
        assert time.monotonic() < began + MANY_PATIENCE_S, f"{await _queued(one, 'alpha')} are left"
        await asyncio.sleep(2)
    took_s = time.monotonic() - began
    late = await one.accepted("alpha") - still
    one.expect(late == 0, f"alpha got {late} segments though it is drained")
    while (left := await _not_over(one)) and time.monotonic() < began + 2 * MANY_PATIENCE_S:
        await asyncio.sleep(5)  # counting a million rows is work for the Postgres that is waited for
    one.expect(not left, f"{left} messages are not final")
    print(
        f"    drain: {await _moved(one):,} messages left by the other carrier, alpha's queue was empty after {took_s:.0f} s"
    )
    (await one.cluster.api.post("/v1/carriers/alpha/resume", json=order)).raise_for_status()
    await one.recovered()


async def failover(one: Stage) -> None:
    """alpha's SMSC is down for longer than failover_after_s: its backlog leaves by beta; then it is back, gradually."""
    sending = one.send(6_000, 300)
    await one.under_way()
    one.broken()
    await one.cluster.fault("outage", carrier="alpha", for_s=DOWN_S)
    await asyncio.sleep(DOWN_S)
    await one.recovered()
    one.expect((await sending).clean, "some messages were never accepted")
    await one.cluster.over(PATIENCE_S)
    one.expect(await _moved(one) > 0, "no message was moved to the other carrier")


async def contract_changes(one: Stage) -> None:
    """carriers.toml under traffic: a carrier comes, one gets another rate and a third lane, the new one goes again."""
    sending = one.send(9_000, 300)
    await one.under_way()
    alpha, beta, gamma = Simulated("alpha"), Simulated("beta"), Simulated("gamma")
    wider = Simulated("beta", tps=300, lanes=3)
    untouched = await _binds(one, "alpha")
    one.broken()
    await one.contract((alpha, beta, gamma))
    await one.cluster.binds("gamma", 2, PATIENCE_S)
    await one.contract((alpha, wider, gamma))
    await one.cluster.binds("beta", 3, PATIENCE_S)
    await one.recovered(LANES + 3)
    (await one.cluster.api.post("/v1/carriers/gamma/drain", json={"reason": "its contract ends"})).raise_for_status()
    await asyncio.sleep(4)
    await one.contract((alpha, wider))
    await one.cluster.binds("gamma", 0, PATIENCE_S)
    one.expect(await _binds(one, "alpha") == untouched, "binds of a carrier that did not change were touched")
    one.expect((await sending).clean, "some messages were never accepted")


async def smsc_killed(one: Stage) -> None:
    """kill -9 of the SMSC, which forgets the receipts that it owes: those messages end as unknown after receipt_timeout_s."""
    sending = one.send()
    await one.under_way()
    one.broken()
    # An auditor can't see an acknowledgement that a dead SMSC did not read: those that it sent are acknowledged first.
    await one.cluster.fault("receipt_reorder", delay_s=600)
    await asyncio.sleep(0.5)
    # Its journal is written within 50 ms: frozen first, nothing that it took is missing there.
    await one.cluster.fault("freeze")
    await asyncio.sleep(0.3)
    one.cluster.kill("simulator")
    await asyncio.sleep(0.2)
    await one.cluster.ready("simulator")
    await one.recovered()
    one.expect((await sending).clean, "some messages were never accepted")


async def _queued(one: Stage, carrier: str) -> int:
    """Messages that wait for a carrier."""
    answer = (await one.cluster.api.get("/v1/carriers")).raise_for_status().json()
    (found,) = (each for each in answer["data"] if each["name"] == carrier)
    return sum(found["queued"].values())


async def _not_over(one: Stage) -> int:
    query = "select count(*) as open from messages where status < 80"
    return int((await one.cluster.fetch(query))[0]["open"])


async def _moved(one: Stage) -> int:
    """Messages that left by another carrier than the one that they were first meant for."""
    return int((await one.cluster.fetch("select count(*) as moved from messages where hop > 0"))[0]["moved"])


async def _binds(one: Stage, carrier: str) -> set[int]:
    return {bind["bind"] for bind in (await one.cluster.stats())["binds"] if bind["system_id"] == carrier}


def _alpha(**options: float) -> Simulated:
    return Simulated("alpha", window=WINDOW, options={"submit_timeout_s": 10, **options})


LONG_DRAIN: Final = apart(
    "drain-and-return",
    drain_a_million,
    (Simulated("alpha", tps=200, window=WINDOW), Simulated("beta", tps=20_000, window=WINDOW)),
)
OF_CARRIERS: Final[dict[str, Callable[[int], Awaitable[Outcome]]]] = {
    "drain-and-return": apart("drain-and-return", drain, (Simulated("alpha", tps=200, window=WINDOW), BESIDE)),
    "failover-and-return": apart("failover-and-return", failover, (_alpha(failover_after_s=3), BESIDE)),
    "contract-changes": apart("contract-changes", contract_changes, (Simulated("alpha"), Simulated("beta"))),
    "smsc-killed": apart(
        "smsc-killed",
        smsc_killed,
        [Simulated(name, options={"receipt_timeout_s": 60}) for name in ("alpha", "beta")],
        forgetful=True,
    ),
}
