"""The only broker is killed with -9 and comes back: nothing is lost or doubled, and the members go on. A broker of its own."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from bus.ports import Commit, CommitNotSent, CommitRefused, CommitUnknown, TopicPartition
from bus.snapshot import Snapshot
from runtime.local.kafka import KafkaServer
from runtime.local.places import KAFKA_CACHE
from tests.contract.bus.backends import Joined, KafkaBackend, publish, read_all, until
from tests.contract.bus.conftest import Group

PARTITIONS = 3
AWAY_S = 1.0
BACK_WITHIN_S = 30.0


class Load:
    """Publishes numbered records for as long as it is told, and knows what was acknowledged."""

    def __init__(self, backend: KafkaBackend, topic: str) -> None:
        self.publisher = backend.publisher()
        self.topic = topic
        self.sent = 0
        self.acknowledged = 0
        self.faults: list[Exception] = []
        self._going = True

    async def run(self) -> None:
        while self._going:
            partition = self.sent % PARTITIONS
            entries = [(None, b"%d" % (self.sent + part * PARTITIONS)) for part in range(10)]
            # Every second call lasts: both kinds must come through a broker that dies, since the producer itself does.
            self.publisher.publish(self.topic, partition, entries, self._done, lasting=self.sent % 2 == 0)
            self.sent += 1 if partition < PARTITIONS - 1 else 9 * PARTITIONS + 1
            await asyncio.sleep(0.002)

    def _done(self, fault: Exception | None) -> None:
        self.acknowledged += 10
        if fault is not None:
            self.faults.append(fault)

    def stop(self) -> None:
        self._going = False


async def test_a_broker_that_is_killed_loses_and_doubles_nothing(server_home: Path) -> None:
    kafka = KafkaServer(server_home / "kafka", server_home / "kafka.log", KAFKA_CACHE, os.environ)
    await kafka.start()
    backend = KafkaBackend(kafka.bootstrap, "k-")
    group = Group(backend, await backend.create("mt", 6), "group")
    reference = await backend.create("reference", 1, compacted=True)
    load = Load(backend, await backend.create("t", PARTITIONS))
    applied: list[bytes] = []
    snapshot = Snapshot(backend.reader(), reference, lambda key, _value: applied.append(key))
    reader = backend.reader()
    tps = [TopicPartition(load.topic, number) for number in range(PARTITIONS)]
    try:
        await load.publisher.start()
        await snapshot.start()
        await reader.start(dict.fromkeys(tps, 0))
        one, two = await group.join("a"), await group.join("b")
        await group.settled(one, two)
        await commit_again(one, group.tp, Commit(7, "before the kill"))
        running = asyncio.create_task(load.run())
        await until(lambda: load.acknowledged > 200)

        await kafka.kill()
        began = time.monotonic()
        with pytest.raises((CommitNotSent, CommitUnknown)):
            await one.member.commit(one.take, {group.tp: Commit(8, "nobody hears it")}, 0.5)
        await asyncio.sleep(AWAY_S)
        assert load.publisher.waiting_s() > AWAY_S / 2
        assert time.monotonic() - one.member.heard_at > AWAY_S / 2, "a dead broker renews no lease"
        await kafka.start()

        killed_at = load.acknowledged
        await until(lambda: load.acknowledged > killed_at + 200, BACK_WITHIN_S)
        load.stop()
        await running
        await publish(load.publisher, reference, 0, [(b"after", b"v")])
        await until(lambda: load.publisher.backlog_bytes == 0, BACK_WITHIN_S)
        assert load.faults == []
        assert time.monotonic() - began < BACK_WITHIN_S

        found = await read_all(reader, load.acknowledged)
        for tp in tps:
            values = [int(record.value) for record in found[tp]]
            assert values == list(range(tp.partition, tp.partition + PARTITIONS * len(values), PARTITIONS))
        assert sum(map(len, found.values())) == load.acknowledged

        await group.settled(one, two)
        assert (await one.member.committed([group.tp]))[group.tp] in (
            Commit(7, "before the kill"),
            Commit(8, "nobody hears it"),
        )
        for joined, tp in ((one, group.tp), (two, TopicPartition(group.topic, 1))):
            await commit_again(joined, tp, Commit(9, "after"))
            assert joined.member.fault() is None
        await until(lambda: applied == [b"after"])
    finally:
        load.stop()
        for joined in group.members:
            await joined.stop()
        await snapshot.stop()
        await reader.stop()
        await load.publisher.stop()
        await kafka.stop()


async def commit_again(joined: Joined, tp: TopicPartition, what: Commit) -> None:
    """As the dispatcher does: what was not sent is sent again, what was refused under the take that the group gave since."""
    async with asyncio.timeout(BACK_WITHIN_S):
        while True:
            try:
                await joined.member.commit(joined.take, {tp: what}, 2.0)
                return
            except (CommitNotSent, CommitRefused, CommitUnknown):
                await asyncio.sleep(0.1)
