"""The faults: each under traffic, on a stage that stays up from one to the next."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from bus.kafka_publisher import KafkaPublisher
from schemas.topics import Topics
from tests.drill.stage import MOST_RSS_MB, PATIENCE_S, Stage

Drill = Callable[[Stage], Awaitable[None]]
ROLES: Final = ("api-1", "dispatcher-1", "dispatcher-2", "recorder-1", "scheduler-1")
TOPICS: Final = Topics("drill-")
MOST_RECOVERY_S: Final = 15.0
FLOOD: Final = 100_000
LONG_FLOOD: Final = 1_000_000


def killed(*names: str) -> Drill:
    """kill -9; the supervisor starts them again."""

    async def drill(stage: Stage) -> None:
        sending = stage.send()
        await stage.under_way()
        stage.broken()
        for name in names:
            stage.cluster.kill(name)
        await asyncio.sleep(0.2)
        await stage.cluster.ready(*names, patience_s=60)
        await stage.recovered()
        stage.expect(stage.recovery_s < MOST_RECOVERY_S, f"lanes were back only after {stage.recovery_s:.1f} s")
        stage.expect((await sending).clean, "some messages were never accepted")

    return drill


async def taken_over(stage: Stage) -> None:
    """kill -9 of a dispatcher that does not come back: the other one takes its lanes."""
    sending = stage.send(3_000, 300)
    await stage.under_way()
    stage.broken()
    stage.cluster.pause("dispatcher-2")
    stage.cluster.kill("dispatcher-2")
    await stage.recovered()
    stage.expect(stage.recovery_s < MOST_RECOVERY_S, f"lanes were back only after {stage.recovery_s:.1f} s")
    stage.cluster.resume("dispatcher-2")
    await stage.cluster.ready("dispatcher-2")
    stage.expect((await sending).clean, "some messages were never accepted")


def at_the_carrier(fault: str, **options: Any) -> Drill:
    """A fault of the simulator, at alpha."""

    async def drill(stage: Stage) -> None:
        sending = stage.send()
        await stage.under_way()
        stage.broken()
        await stage.cluster.fault(fault, carrier="alpha", **options)
        await asyncio.sleep(options.get("for_s", 0.5))
        await stage.recovered()
        stage.expect((await sending).clean, "some messages were never accepted")

    return drill


def away(name: str, for_s: float, number: signal.Signals = signal.SIGKILL) -> Drill:
    """A server that is gone for a while."""

    async def drill(stage: Stage) -> None:
        sending = stage.send()
        await stage.under_way()
        stage.broken()
        stage.cluster.pause(name)
        stage.cluster.kill(name, number)
        await asyncio.sleep(for_s)
        stage.cluster.resume(name)
        await stage.cluster.ready(name, patience_s=90)
        await stage.recovered()
        stage.expect((await sending).clean, "some messages were never accepted")

    return drill


def asleep(name: str, for_s: float) -> Drill:
    """SIGSTOP past every timeout, then SIGCONT: a zombie that does not know what it missed."""

    async def drill(stage: Stage) -> None:
        sending = stage.send(4_000, 350)
        await stage.under_way()
        stage.broken()
        stage.signal(name, signal.SIGSTOP)
        try:
            await asyncio.sleep(for_s)
        finally:
            stage.signal(name, signal.SIGCONT)
        await stage.recovered()
        stage.expect((await sending).clean, "some messages were never accepted")

    return drill


async def second_crash(stage: Stage) -> None:
    """The heir dies while it sends again what the first one left in doubt."""
    sending = stage.send(4_000, 350)
    await stage.under_way()
    stage.broken()
    for name in ("dispatcher-1", "dispatcher-2"):
        stage.cluster.kill(name)
        await asyncio.sleep(0.1)
    await stage.cluster.ready("dispatcher-1", "dispatcher-2")
    stage.cluster.kill("dispatcher-1")
    await asyncio.sleep(0.2)
    await stage.cluster.ready("dispatcher-1")
    await stage.recovered()
    stage.expect((await sending).clean, "some messages were never accepted")


async def rebalance_in_takeover(stage: Stage) -> None:
    """While one dispatcher takes the lanes of another, a third comes and goes."""
    sending = stage.send(4_000, 350)
    await stage.under_way()
    stage.broken()
    stage.cluster.kill("dispatcher-1")
    await asyncio.sleep(0.5)
    stage.cluster.kill("dispatcher-2", signal.SIGTERM)
    await asyncio.sleep(0.5)
    stage.cluster.kill("dispatcher-1")
    await asyncio.sleep(0.2)
    await stage.cluster.ready("dispatcher-1", "dispatcher-2")
    await stage.recovered()
    stage.expect((await sending).clean, "some messages were never accepted")


async def rolling_restart(stage: Stage) -> None:
    sending = stage.send(6_000, 300)
    await stage.under_way()
    stage.broken()
    for name in ROLES:
        await stage.cluster.restart(name)
    await stage.recovered()
    stage.expect((await sending).clean, "some messages were never accepted")


async def slow_beside_fast(stage: Stage) -> None:
    """One carrier takes two seconds for each answer; the other's traffic must not notice."""
    sending = stage.send(4_500, 300)
    await stage.under_way(600)
    began, before = time.monotonic(), await stage.accepted("beta")
    await asyncio.sleep(3)
    usual = (await stage.accepted("beta") - before) / (time.monotonic() - began)
    stage.broken()
    await stage.cluster.fault("slow", carrier="alpha", delay_s=2, for_s=7)
    await asyncio.sleep(1)
    began, before = time.monotonic(), await stage.accepted("beta")
    await asyncio.sleep(5)
    beside = (await stage.accepted("beta") - before) / (time.monotonic() - began)
    stage.expect(beside >= 0.8 * usual, f"the fast carrier fell from {usual:.0f} to {beside:.0f} segments a second")
    await stage.recovered()
    stage.expect((await sending).clean, "some messages were never accepted")


async def poison(stage: Stage) -> None:
    """Bytes that nobody can read, among the messages and among the outcomes: set aside, and the rest goes on."""
    sending = stage.send()
    await stage.under_way()
    stage.broken()
    publisher = KafkaPublisher(stage.cluster.kafka_bootstrap, "drill")
    await publisher.start()
    loop = asyncio.get_running_loop()
    written = [loop.create_future() for _ in range(2)]
    for future, topic in zip(written, (TOPICS.mt("alpha", 0), TOPICS.outcomes("alpha")), strict=True):
        publisher.publish(topic, 0, [(None, os.urandom(40))], future.set_result)
    await asyncio.gather(*written)
    await publisher.stop()
    await stage.recovered()
    stage.expect((await sending).clean, "some messages were never accepted")
    said = await stage.cluster.command("dead-letters", "list", "--json")
    stage.expect(said.count('"offset"') >= 2, "the two records are not in dead-letters")


def receipt_flood(count: int) -> Drill:
    """Receipts of messages that nobody sent, as fast as windows let: memory stays bounded, the traffic's own come through."""

    async def drill(stage: Stage) -> None:
        sending = stage.send(2_400, 200)
        await stage.under_way()
        stage.broken()
        most: dict[str, float] = {}
        poured = (await stage.stats("receipts"))["flood"] + count
        await stage.cluster.fault("receipt_flood", carrier="alpha", count=count)

        async def over() -> bool:
            for name, used in stage.rss_mb().items():
                most[name] = max(most.get(name, 0.0), used)
            receipts = await stage.stats("receipts")
            return bool(receipts["flood"] >= poured and receipts["pending"] < count / 100)

        await stage.cluster.until(over, f"{count} receipts acknowledged", PATIENCE_S * 3)
        for name, used in most.items():
            stage.expect(used < MOST_RSS_MB, f"{name} took {used:.0f} MB")
        await stage.recovered()
        stage.expect((await sending).clean, "some messages were never accepted")

    return drill


async def postgres_three_minutes(stage: Stage) -> None:
    """Postgres is away for three minutes: intake and dispatch go on at their pace (P6), the projection catches up."""
    rate = 300.0
    sending = stage.send(round(rate * 230), rate)
    await stage.under_way(1_000)
    usual = await _pace(stage, 20)
    stage.broken()
    stage.cluster.pause("postgres")
    stage.cluster.kill("postgres")
    await asyncio.sleep(5)
    without = await _pace(stage, 170)
    await asyncio.sleep(5)
    stage.cluster.resume("postgres")
    await stage.cluster.ready("postgres", patience_s=90)
    await stage.recovered()
    result = await sending
    stage.expect(result.clean, "some messages were never accepted")
    stage.expect(without >= 0.85 * usual, f"without Postgres {without:.0f} segments a second, before {usual:.0f}")


async def _pace(stage: Stage, for_s: float) -> float:
    began, before = time.monotonic(), await stage.accepted()
    await asyncio.sleep(for_s)
    return (await stage.accepted() - before) / (time.monotonic() - began)


FAULTS: Final[dict[str, Drill]] = {
    "api-killed": killed("api-1"),
    "dispatcher-killed": killed("dispatcher-1"),
    "dispatcher-lost": taken_over,
    "recorder-killed": killed("recorder-1"),
    "scheduler-killed": killed("scheduler-1"),
    "all-roles-killed": killed(*ROLES),
    "second-crash-during-resend": second_crash,
    "rebalance-during-takeover": rebalance_in_takeover,
    "zombie-dispatcher": asleep("dispatcher-1", 9),
    "kafka-killed": away("kafka", 1),
    "kafka-stopped-in-order": away("kafka", 1, signal.SIGTERM),
    "kafka-frozen": asleep("kafka", 6),
    "postgres-killed": away("postgres", 3),
    "bind-drops-before-response": at_the_carrier("disconnect", mode="before_response", times=1),
    "bind-drops-after-response": at_the_carrier("disconnect", mode="after_response", times=1),
    "all-binds-drop": at_the_carrier("disconnect", mode="now"),
    "smsc-frozen": at_the_carrier("freeze", for_s=8),
    "smsc-silent": at_the_carrier("silence", for_s=5),
    "throttle-storm": at_the_carrier("throttle", for_s=4),
    "queue-full": at_the_carrier("queue_full", for_s=4),
    "receipt-flood": receipt_flood(FLOOD),
    "receipts-doubled-and-shuffled": at_the_carrier("receipt_duplicate", for_s=4),
    "slow-beside-fast": slow_beside_fast,
    "poison-records": poison,
    "rolling-restart": rolling_restart,
    "postgres-three-minutes": postgres_three_minutes,
}
