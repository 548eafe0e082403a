"""Static membership, which the in-memory twin does not have."""

from __future__ import annotations

import asyncio
import time

import pytest

from bus.assignor import Claim
from bus.kafka_member import KafkaMember
from bus.ports import Commit, CommitNotSent, CommitRefused, CommitUnknown
from tests.contract.bus.backends import SESSION_TIMEOUT_MS, Joined, KafkaBackend, Listener, until
from tests.contract.bus.conftest import Group

TIMEOUT_S = 5.0
SESSION_S = SESSION_TIMEOUT_MS / 1000


async def test_a_member_that_comes_back_in_time_has_its_units_and_nobody_else_is_disturbed(kafka_group: Group) -> None:
    """A dispatcher that is restarted: a new process with the same instance id, and the other's binds stay up."""
    one, two = await kafka_group.join("a"), await kafka_group.join("b")
    await kafka_group.settled(one, two)
    owned, old = two.listener.owned, two.take
    takes, revoked = len(one.listener.takes), one.listener.revoked_times
    await two.stop(leave=False)
    again = await kafka_group.join("b")
    await until(lambda: again.listener.takes)
    assert again.listener.owned == owned
    assert again.take.generation == old.generation
    assert again.take.member != old.member
    await asyncio.sleep(SESSION_S * 1.2)
    assert (len(one.listener.takes), one.listener.revoked_times) == (takes, revoked)
    with pytest.raises(CommitRefused) as told:
        await again.member.commit(old, {kafka_group.tp: Commit(1, "of the process that is gone")}, TIMEOUT_S)
    assert told.value.kind in ("UnknownMemberId", "FencedInstanceId")
    await again.member.commit(again.take, {kafka_group.tp: Commit(1, "")}, TIMEOUT_S)


async def test_two_processes_with_one_instance_id_throw_each_other_out(kafka_group: Group) -> None:
    """The older one's commits are refused from then on; its process ends after a few of these (dispatcher.group)."""
    one = await kafka_group.join("same")
    await kafka_group.settled(one)
    old = one.take
    two = await kafka_group.join("same")
    await until(lambda: two.listener.takes)
    with pytest.raises(CommitRefused) as told:
        await one.member.commit(old, {kafka_group.tp: Commit(9, "")}, TIMEOUT_S)
    assert told.value.kind in ("UnknownMemberId", "FencedInstanceId")
    # aiokafka ends the older one's coordination for good, and says so.
    await until(lambda: one.member.fault() is not None or len(one.listener.takes) > 1)


async def test_a_member_alone_and_restarted_gets_its_units_at_once(kafka_group: Group) -> None:
    one = await kafka_group.join("a")
    await kafka_group.settled(one)
    await one.member.commit(one.take, {kafka_group.tp: Commit(5, "x")}, TIMEOUT_S)
    await one.stop(leave=False)
    began = time.monotonic()
    again = await kafka_group.join("a")
    await kafka_group.settled(again)
    assert time.monotonic() - began < SESSION_S * 0.9
    assert (await again.member.committed([kafka_group.tp]))[kafka_group.tp] == Commit(5, "x")


async def test_heartbeats_alone_keep_units_and_lease(kafka_group: Group) -> None:
    one = await kafka_group.join("a")
    await kafka_group.settled(one)
    before = one.member.heard_at
    await asyncio.sleep(SESSION_S * 2)
    assert one.member.heard_at > before + SESSION_S
    assert time.monotonic() - one.member.heard_at < SESSION_S
    assert len(one.listener.takes) == 1
    assert one.member.fault() is None


async def test_a_heartbeat_that_ends_in_an_unforeseen_way_is_told_and_followed_by_another_join(
    kafka_group: Group,
) -> None:
    """aiokafka would wait until somebody who reads takes the fault: a membership of ours had none, and was never one again."""
    one = await kafka_group.join("a")
    await kafka_group.settled(one)
    coordinator = one.member._coordinator
    assert coordinator is not None
    beats = coordinator._do_heartbeat

    async def broken() -> bool:
        coordinator._do_heartbeat = beats
        raise RuntimeError("the handler is closed")

    coordinator._do_heartbeat = broken
    takes = len(one.listener.takes)
    await until(lambda: "the handler is closed" in (one.member.fault() or ""))
    await until(lambda: len(one.listener.takes) > takes)
    assert one.member.fault() is None
    await one.member.commit(one.take, {kafka_group.tp: Commit(3, "")}, TIMEOUT_S)


async def test_a_dynamic_member_leaves_by_itself_when_it_stops(kafka_group: Group, kafka: KafkaBackend) -> None:
    listener = Listener()
    dynamic = Joined(
        KafkaMember(
            kafka.bootstrap, kafka.name("group"), [kafka_group.topic], Claim("x", "c", 3), listener,
            session_timeout_ms=30_000, static=False,
        ),
        listener,
    )  # fmt: skip
    kafka_group.members.append(dynamic)
    await dynamic.member.start()
    await kafka_group.settled(dynamic)
    one = await kafka_group.join("a")
    await kafka_group.settled(one, dynamic)
    await dynamic.stop(leave=False)
    await kafka_group.settled(one)


async def test_a_member_that_did_not_start_or_has_stopped_sends_nothing(kafka_group: Group) -> None:
    one = kafka_group.backend.member("group", [kafka_group.topic], Claim("a", "c", 3))
    for _ in range(2):
        with pytest.raises(CommitNotSent):
            await one.member.commit((1, "m"), {kafka_group.tp: Commit(1, "")}, TIMEOUT_S)
        with pytest.raises(CommitNotSent):
            await one.member.committed([kafka_group.tp])
        one.member.rejoin()
        one.member.claim("d", 2)
        assert one.member.fault() is None
        await one.stop()


async def test_a_commit_without_time_is_unknown_or_not_sent_and_the_next_one_works(kafka_group: Group) -> None:
    one = await kafka_group.join("a")
    await kafka_group.settled(one)
    for _ in range(3):
        with pytest.raises((CommitUnknown, CommitNotSent)):
            await one.member.commit(one.take, {kafka_group.tp: Commit(1, "x")}, 0.0)
    await until_committed(one, kafka_group)


async def until_committed(joined: Joined, group: Group) -> None:
    """As the committer does: what was not sent is sent again."""
    async with asyncio.timeout(10):
        while True:
            try:
                await joined.member.commit(joined.take, {group.tp: Commit(2, "y")}, TIMEOUT_S)
                return
            except CommitNotSent:
                await asyncio.sleep(0.05)
