"""What the in-memory twin can do that no broker does on demand: be away, hold answers back."""

from __future__ import annotations

import asyncio

import pytest

from bus.assignor import Claim
from bus.memory import MemoryCluster, MemoryMember, MemoryPublisher, MemoryReader
from bus.ports import Commit, CommitNotSent, CommitUnknown, PublishError, Take, TopicPartition
from runtime.clock import ManualClock

TP = TopicPartition("t", 0)


class Quiet:
    """A listener that keeps the last take."""

    take: Take

    async def revoked(self) -> None:
        return None

    def assigned(self, take: Take, units: object, units_in_force: int) -> None:
        self.take = take


@pytest.fixture
def cluster() -> MemoryCluster:
    made = MemoryCluster(ManualClock())
    made.create("t", 1)
    return made


@pytest.mark.parametrize("switch", ["down", "hold_publishes"])
async def test_while_it_is_away_nothing_is_acknowledged_and_nothing_is_lost(
    cluster: MemoryCluster, switch: str
) -> None:
    setattr(cluster, switch, True)
    publisher, told = MemoryPublisher(cluster), list[Exception | None]()
    await publisher.start()
    for number in range(3):
        publisher.publish("t", 0, [(None, b"%d" % number)], told.append)
    await asyncio.sleep(0.02)
    assert isinstance(cluster.clock, ManualClock)
    cluster.clock.advance(2)
    assert (told, cluster.logs[TP], publisher.backlog_bytes) == ([], [], 3 * 41)
    assert publisher.waiting_s() == 2
    setattr(cluster, switch, False)
    async with asyncio.timeout(5):
        while len(told) < 3:
            await asyncio.sleep(0.001)
    assert told == [None] * 3
    assert [record.value for record in cluster.logs[TP]] == [b"0", b"1", b"2"]
    assert publisher.waiting_s() == 0


async def test_stopping_while_it_is_away_gives_up(cluster: MemoryCluster) -> None:
    cluster.down = True
    publisher, told = MemoryPublisher(cluster), list[Exception | None]()
    publisher.publish("t", 0, [(None, b"x")], told.append)
    await publisher.stop()
    await asyncio.sleep(0.02)
    assert [type(fault) for fault in told] == [PublishError]
    assert cluster.logs[TP] == []


async def test_a_reader_of_a_cluster_that_is_away_reads_nothing(cluster: MemoryCluster) -> None:
    cluster.append(TP, [(None, b"x")])
    reader = MemoryReader(cluster)
    await reader.start({TP: 0})
    cluster.down = True
    assert not await reader.poll(0.01, 10)
    cluster.down = False
    assert len((await reader.poll(0.01, 10))[TP]) == 1


async def test_commits_are_not_sent_or_unknown_and_do_not_count(cluster: MemoryCluster) -> None:
    listener = Quiet()
    member = MemoryMember(cluster, "g", Claim("a", "c", 1), listener)
    await member.start()
    await asyncio.sleep(0.01)
    cluster.down = True
    with pytest.raises(CommitNotSent):
        await member.commit(listener.take, {TP: Commit(1, "")}, 1)
    cluster.down, cluster.hold_commits = False, True
    with pytest.raises(CommitUnknown):
        await member.commit(listener.take, {TP: Commit(1, "")}, 1)
    cluster.hold_commits = False
    assert (await member.committed([TP]))[TP] is None
    await member.commit(listener.take, {TP: Commit(1, "")}, 1)
    assert (await member.committed([TP]))[TP] == Commit(1, "")


async def test_records_carry_the_cluster_s_time(cluster: MemoryCluster) -> None:
    assert isinstance(cluster.clock, ManualClock)
    first = cluster.append(TP, [(b"k", b"v"), (None, None)])
    cluster.clock.advance(1)
    second = cluster.append(TP, [(None, b"w")])
    assert (first, second) == (0, 2)
    assert cluster.logs[TP][2].timestamp - cluster.logs[TP][0].timestamp == 1000
