"""Whatever becomes of requests - as long as the broker may come to itself - each record is in its log once, in order."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bus.kafka_publisher import KafkaPublisher
from bus.ports import Entry
from tests.unit.bus.broker import Fate, Rig

PARTITIONS = 4
PASSING = (6, 7, 5)
"""Not the leader, timed out, no leader: nothing was appended, a repeat may be."""
MOST_S = 20.0


class Step(NamedTuple):
    """`values` records are published to a partition, then so many turns of the loop pass."""

    partition: int
    values: int
    lasting: bool
    turns: int


steps = st.lists(
    st.builds(Step, st.integers(0, PARTITIONS - 1), st.integers(1, 4), st.booleans(), st.integers(0, 12)),
    min_size=1, max_size=40,
)  # fmt: skip
fates = st.lists(st.sampled_from([*Fate, Fate.ANSWERED, Fate.ANSWERED]), max_size=20)
codes = st.dictionaries(
    st.integers(0, PARTITIONS - 1), st.lists(st.sampled_from(PASSING), min_size=1, max_size=4), max_size=3
)


async def publish(rig: Rig, plan: list[Step], returning_s: float) -> dict[int, list[bytes]]:
    """Gives what was published, by partition."""
    publisher = KafkaPublisher("nowhere:1", "test", returning_s=returning_s)
    told: list[Exception | None] = []

    async def made() -> object:
        return rig.producer()

    publisher._new_producer = made  # type: ignore[method-assign]  # no Kafka here
    await publisher.start()
    sent: dict[int, list[bytes]] = {}
    for number, step in enumerate(plan):
        values = [b"%d.%d" % (number, at) + bytes(60) for at in range(step.values)]
        sent.setdefault(step.partition, []).extend(values)
        entries: list[Entry] = [(b"k", value) for value in values]
        publisher.publish("t", step.partition, entries, told.append, lasting=step.lasting)
        for _ in range(step.turns):
            await asyncio.sleep(0)
    async with asyncio.timeout(MOST_S):
        while len(told) < len(plan):
            await asyncio.sleep(0.001)
        await publisher.stop()
    assert told == [None] * len(plan)
    return sent


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps, fates, codes, st.sampled_from([0.0, 0.002]), st.booleans())
def test_all_is_there_once_and_in_order(
    plan: list[Step], fated: list[Fate], coded: dict[int, list[int]], returning_s: float, two: bool
) -> None:
    rig = Rig(0, 1, 0, 1) if two else Rig(0, 0, 0, 0)
    for broker in rig.brokers.values():
        broker.fates = deque(fated)
        broker.codes = {number: deque(found) for number, found in coded.items()}
    sent = asyncio.run(publish(rig, plan, returning_s))
    assert {tp.partition: values for broker in rig.brokers.values() for tp, values in broker.logs.items()} == sent
    assert len(rig.made) == 1
