"""Lanes of a carrier as rebalances give and take them: an adoption that is cut short leaves no bind behind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from bus.ports import Commit, Take, TopicPartition
from dispatcher import group as groups
from dispatcher.group import CarrierGroup
from dispatcher.ledger import empty_commit
from schemas.carriers import Carrier
from schemas.topics import Topics
from tests.unit.dispatcher.rig import carrier


class Membership:
    """A group that says what the test says."""

    heard_at = 0.0

    def __init__(self) -> None:
        self.rejoined = 0

    async def start(self) -> None: ...
    async def stop(self, leave: bool) -> None: ...

    async def committed(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, Commit | None]:
        return {tp: empty_commit(0) for tp in partitions}

    async def commit(self, take: Take, commits: Mapping[TopicPartition, Commit], timeout_s: float) -> None: ...

    def rejoin(self) -> None:
        self.rejoined += 1

    def claim(self, config: str, units: int) -> None: ...

    def fault(self) -> str | None:
        return None


class Runner:
    """A lane whose unbind takes as long as the test likes."""

    unbinds: asyncio.Event
    up: set[int]
    umpire = True

    def __init__(self, world: object, carrier: Carrier, number: int, *_: object) -> None:
        self.number = number
        self.queues = [TopicPartition("mt.alpha.otp", number)]
        self.lane = self

    def commit_plan(self, now: float) -> None: ...

    def keeps(self, states: object) -> bool:
        return self.number in self.up

    async def take(self, states: object) -> None:
        assert self.number not in self.up, "two binds of one lane"
        self.up.add(self.number)

    def resume(self) -> None: ...
    def suspend(self) -> None: ...
    def look(self) -> None: ...
    async def settle(self, budget_s: float) -> None: ...

    async def close(self) -> None:
        await self.unbinds.wait()
        self.up.discard(self.number)


@pytest.fixture
def membership() -> Membership:
    return Membership()


@pytest.fixture
def failures() -> list[BaseException]:
    return []


@pytest.fixture
def group(membership: Membership, failures: list[BaseException], monkeypatch: pytest.MonkeyPatch) -> CarrierGroup:
    monkeypatch.setattr(groups, "LaneRunner", Runner)
    Runner.unbinds, Runner.up = asyncio.Event(), set()

    class World:
        topics = Topics("")

    def join(_carrier: Carrier, _group: CarrierGroup) -> Any:
        return membership

    world: Any = World()
    return CarrierGroup(world, carrier(lanes=2), join, 6.0, failures.append, lambda: Runner.umpire)


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_rebalance_in_the_middle_of_letting_go_leaves_no_bind_behind(group: CarrierGroup) -> None:
    group.assigned(Take(1, "me"), [0, 1], 2)
    await turns()
    assert Runner.up == {0, 1}
    group.assigned(Take(2, "me"), [0], 2)
    await turns()  # lane 1 is unbinding
    await group.revoked()
    group.assigned(Take(3, "me"), [0], 2)
    await turns()
    Runner.unbinds.set()
    await turns()
    assert Runner.up == {0}
    assert sorted(group.lanes) == [0]


async def test_a_lane_that_comes_back_while_it_is_let_go_is_bound_when_the_old_bind_is_gone(
    group: CarrierGroup,
) -> None:
    group.assigned(Take(1, "me"), [0, 1], 2)
    await turns()
    group.assigned(Take(2, "me"), [0], 2)
    await turns()
    await group.revoked()
    group.assigned(Take(3, "me"), [0, 1], 2)
    await turns()
    assert 1 not in group.lanes
    Runner.unbinds.set()
    await turns()
    assert Runner.up == {0, 1}
    assert sorted(group.lanes) == [0, 1]


def test_thrown_out_three_times_in_a_minute_it_joins_no_more_ends_the_process_and_says_why(
    group: CarrierGroup, failures: list[BaseException]
) -> None:
    assert group.thrown_out()
    assert group.thrown_out()
    assert failures == []
    assert not group.thrown_out()
    (failure,) = failures
    assert "SMPPD_INSTANCE_ID" in str(failure)


def test_only_one_group_decides_which_of_two_processes_with_one_id_ends(
    group: CarrierGroup, failures: list[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Runner, "umpire", False)
    assert all(group.thrown_out() for _ in range(9))
    assert failures == []


async def test_a_fault_of_ours_in_a_commit_ends_the_process(
    group: CarrierGroup, membership: Membership, failures: list[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_lane: object, _now: float) -> None:
        raise ZeroDivisionError

    await group.start()
    group.assigned(Take(1, "me"), [0], 1)
    await turns()
    monkeypatch.setattr(Runner, "commit_plan", broken)
    group._committer.wake()
    await turns()
    assert [type(failure) for failure in failures] == [ZeroDivisionError]
