"""What every membership keeps to."""

from __future__ import annotations

import asyncio
import time

import pytest

from bus.ports import Commit, CommitRefused, CommitUnknown, Take, TopicPartition
from tests.contract.bus.backends import Backend, Joined, until
from tests.contract.bus.conftest import Group

TIMEOUT_S = 5.0


async def commit(joined: Joined, tp: TopicPartition, offset: int, metadata: str = "", take: Take | None = None) -> None:
    await joined.member.commit(take or joined.take, {tp: Commit(offset, metadata)}, TIMEOUT_S)


async def committed(joined: Joined, tp: TopicPartition) -> Commit | None:
    found: Commit | None = (await joined.member.committed([tp]))[tp]
    return found


# ---- sharing out


async def test_one_member_has_all_units(group: Group) -> None:
    one = await group.join("a")
    await group.settled(one)
    assert one.listener.owned == (0, 1, 2)
    assert one.listener.in_force == 3
    assert one.take.generation > 0
    assert one.take.member


async def test_a_second_member_takes_its_share_and_the_first_keeps_the_rest(group: Group) -> None:
    one = await group.join("a")
    await group.settled(one)
    before = one.take
    two = await group.join("b")
    await group.settled(one, two)
    assert one.take.generation > before.generation
    assert one.take.member == before.member, "staying costs nobody its member id"
    assert one.listener.revoked_times >= 1
    third = await group.join("c")
    await group.settled(one, two, third)


async def test_who_leaves_hands_over_at_once(group: Group) -> None:
    one, two = await group.join("a"), await group.join("b")
    await group.settled(one, two)
    began = time.monotonic()
    await two.stop(leave=True)
    await group.settled(one)
    assert time.monotonic() - began < 0.9, "not only after the session timeout"


async def test_who_vanishes_loses_its_units_after_the_session_timeout(group: Group) -> None:
    one, two = await group.join("a"), await group.join("b")
    await group.settled(one, two)
    await group.backend.vanish(two)
    await group.settled(one)


async def test_every_rebalance_revokes_before_it_assigns(group: Group) -> None:
    one = await group.join("a")
    await group.settled(one)
    times, revoked = len(one.listener.takes), one.listener.revoked_times
    two = await group.join("b")
    await group.settled(one, two)
    assert one.listener.revoked_times - revoked >= len(one.listener.takes) - times >= 1


async def test_while_configurations_differ_the_old_units_stay_in_force_for_all(group: Group) -> None:
    one = await group.join("a", units=2, config="old")
    await group.settled(one, units=2)
    two = await group.join("b", units=6, config="new")
    await group.settled(one, two, units=2)
    assert one.listener.in_force == two.listener.in_force == 2
    one.member.claim("new", 6)
    await group.settled(one, two, units=6)
    assert one.listener.in_force == two.listener.in_force == 6


# ---- commits


async def test_what_was_committed_is_read_back_with_its_metadata(group: Group) -> None:
    one = await group.join("a")
    await group.settled(one)
    other = TopicPartition(group.topic, 5)
    assert await committed(one, group.tp) is None
    await commit(one, group.tp, 7, "1 token 9 QUJD")
    await commit(one, other, 0, "")
    assert dict(await one.member.committed([group.tp, other, TopicPartition(group.topic, 1)])) == {
        group.tp: Commit(7, "1 token 9 QUJD"),
        other: Commit(0, ""),
        TopicPartition(group.topic, 1): None,
    }
    await commit(one, group.tp, 3, "backwards")
    assert await committed(one, group.tp) == Commit(3, "backwards")


async def test_many_partitions_in_one_commit(group: Group) -> None:
    one = await group.join("a")
    await group.settled(one)
    everything = {TopicPartition(group.topic, number): Commit(number, f"m{number}") for number in range(6)}
    await one.member.commit(one.take, everything, TIMEOUT_S)
    assert dict(await one.member.committed(list(everything))) == everything


async def test_commits_outlive_the_members(group: Group) -> None:
    one = await group.join("a")
    await group.settled(one)
    await commit(one, group.tp, 7, "kept")
    await one.stop(leave=True)
    two = await group.join("b")
    await group.settled(two)
    assert await committed(two, group.tp) == Commit(7, "kept")


async def test_a_ledger_of_the_largest_size_fits(group: Group) -> None:
    one = await group.join("a")
    await group.settled(one)
    await commit(one, group.tp, 1, "x" * 4096)
    assert await committed(one, group.tp) == Commit(1, "x" * 4096)


async def test_more_than_the_limit_is_not_taken_for_committed(group: Group) -> None:
    one = await group.join("a")
    await group.settled(one)
    await commit(one, group.tp, 1, "before")
    with pytest.raises(CommitUnknown, match="OffsetMetadataTooLarge"):
        await commit(one, group.tp, 2, "x" * 4097)
    assert await committed(one, group.tp) == Commit(1, "before")
    await commit(one, group.tp, 3, "after")


async def test_the_commit_of_an_earlier_generation_is_refused(group: Group) -> None:
    """The zombie: another member came, and what it had is not its own any more."""
    one = await group.join("a")
    await group.settled(one)
    old = one.take
    two = await group.join("b")
    await group.settled(one, two)
    for joined in (one, two):
        with pytest.raises(CommitRefused) as told:
            await commit(joined, group.tp, 9, "zombie", take=old)
        assert told.value.kind == "IllegalGeneration"
    assert await committed(one, group.tp) is None
    await commit(one, group.tp, 1, "mine")


@pytest.mark.parametrize("member", ["nobody", ""])
async def test_the_commit_of_somebody_else_is_refused(group: Group, member: str) -> None:
    one = await group.join("a")
    await group.settled(one)
    with pytest.raises(CommitRefused) as told:
        await commit(one, group.tp, 9, "stranger", take=Take(one.take.generation, member))
    assert told.value.kind == "UnknownMemberId"
    assert await committed(one, group.tp) is None


async def test_after_a_rejoin_the_take_is_another_and_nothing_of_the_old_one_counts(group: Group) -> None:
    """Rule 5: a commit whose result is unknown must not be able to land after the next take began."""
    one = await group.join("a")
    await group.settled(one)
    old = one.take
    one.member.rejoin()
    await until(lambda: one.take.member != old.member)
    assert one.listener.owned == (0, 1, 2), "alone, it gets back what it had"
    for generation in (old.generation, one.take.generation):
        with pytest.raises(CommitRefused):
            await commit(one, group.tp, 9, "late", take=Take(generation, old.member))
    await commit(one, group.tp, 1, "new")
    assert await committed(one, group.tp) == Commit(1, "new")


async def test_a_rejoin_beside_others_moves_no_unit(group: Group) -> None:
    one, two = await group.join("a"), await group.join("b")
    await group.settled(one, two)
    owned, old = (one.listener.owned, two.listener.owned), two.take
    two.member.rejoin()
    await until(lambda: two.take.member != old.member)
    await group.settled(one, two)
    assert (one.listener.owned, two.listener.owned) == owned
    with pytest.raises(CommitRefused):
        await commit(two, group.tp, 9, "late", take=old)
    for joined in (one, two):
        await commit(joined, group.tp, 1, "new")


async def test_an_empty_commit_is_nothing_to_do(group: Group) -> None:
    one = await group.join("a")
    await group.settled(one)
    await one.member.commit(one.take, {}, TIMEOUT_S)
    assert (await one.member.committed([group.tp]))[group.tp] is None


# ---- the lease


async def test_a_commit_renews_the_lease(group: Group) -> None:
    one = await group.join("a")
    await group.settled(one)
    before = time.monotonic()
    await asyncio.sleep(0.01)
    await commit(one, group.tp, 1)
    assert before < one.member.heard_at <= time.monotonic()


async def test_the_lease_of_a_new_take_has_begun(group: Group) -> None:
    """Else a lane that is taken would not write before the first heartbeat."""
    began = time.monotonic()
    one = await group.join("a")
    await group.settled(one)
    assert began <= one.member.heard_at <= time.monotonic()


async def test_a_refused_commit_does_not_renew_the_lease(group: Group) -> None:
    one = await group.join("a")
    await group.settled(one)
    await commit(one, group.tp, 1)
    sent = time.monotonic()
    with pytest.raises(CommitRefused):
        await commit(one, group.tp, 9, take=Take(one.take.generation, "nobody"))
    if not group.backend.is_kafka:
        assert one.member.heard_at <= sent
        return
    # A heartbeat may have been sent meanwhile; but not at the moment of the commit.
    for _ in range(3):
        sent = time.monotonic()
        with pytest.raises(CommitRefused):
            await commit(one, group.tp, 9, take=Take(one.take.generation, "nobody"))
        if one.member.heard_at <= sent:
            return
    pytest.fail("refused commits count as signs of life")


async def test_groups_do_not_know_each_other(backend: Backend, group: Group) -> None:
    one = await group.join("a")
    other = Group(backend, group.topic, "another")
    two = await other.join("a")
    try:
        await group.settled(one)
        await other.settled(two)
        await commit(one, group.tp, 1, "one")
        assert await committed(two, group.tp) is None
    finally:
        await two.stop()
