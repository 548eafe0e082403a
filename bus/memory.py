"""An in-memory twin of Kafka for unit tests: same ports, same contract suite (tests/contract/bus).

One `MemoryCluster` is the broker; publishers, readers and members made from it share its logs and groups. `down` makes it
unreachable; `hold_commits` and `hold_publishes` delay answers, to test what happens in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import msgspec

from bus.assignor import Claim, assign_units
from bus.ports import (
    Commit,
    CommitNotSent,
    CommitRefused,
    CommitUnknown,
    Done,
    Entry,
    GroupListener,
    PublishError,
    ReadError,
    StoredRecord,
    Take,
    TopicPartition,
)
from runtime.clock import Clock, SystemClock


class MemoryRecord(msgspec.Struct, frozen=True):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass
class _Group:
    generation: int = 0
    members: dict[str, MemoryMember] = field(default_factory=dict)
    commits: dict[TopicPartition, Commit] = field(default_factory=dict)
    rebalancing: asyncio.Task[None] | None = None


class MemoryCluster:
    """Logs, groups and the state of the broker."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self.logs: dict[TopicPartition, list[MemoryRecord]] = {}
        self.starts: dict[TopicPartition, int] = {}
        self.groups: dict[str, _Group] = {}
        self.down = False
        self.hold_commits = False
        self.hold_publishes = False
        self.changed = asyncio.Event()
        self._member_ids = count(1)

    def create(self, topic: str, partitions: int) -> None:
        for number in range(partitions):
            self.logs.setdefault(TopicPartition(topic, number), [])

    def append(self, tp: TopicPartition, entries: Iterable[Entry]) -> int:
        """Appends at once; gives the offset of the first. Raises KeyError without the topic."""
        log = self.logs[tp]
        first = self.starts.get(tp, 0) + len(log)
        now = self.clock.wall_ms()
        for offset, (key, value) in enumerate(entries, first):
            log.append(MemoryRecord(offset, now, key, value))
        self.changed.set()
        return first

    def group(self, name: str) -> _Group:
        return self.groups.setdefault(name, _Group())

    def new_member_id(self, instance: str) -> str:
        return f"{instance}-{next(self._member_ids)}"


class MemoryPublisher:
    """See bus.ports.Publisher: acknowledges in the next turn of the loop."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self._cluster = cluster
        self._queue: list[tuple[TopicPartition, Sequence[Entry], Done, int, float]] = []
        self._flushing = False
        self._stopped = False

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        await asyncio.sleep(0)
        self._stopped = True
        for _, _, done, _, _ in self._queue:
            done(PublishError("stopped"))
        self._queue.clear()

    def publish(
        self, topic: str, partition: int, entries: Sequence[Entry], done: Done, *, lasting: bool = False
    ) -> None:
        size = sum(len(value or b"") for _, value in entries) + 40 * len(entries)
        since = self._cluster.clock.monotonic()
        self._queue.append((TopicPartition(topic, partition), list(entries), done, size, since))
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    @property
    def backlog_bytes(self) -> int:
        return sum(size for _, _, _, size, _ in self._queue)

    def waiting_s(self) -> float:
        return self._cluster.clock.monotonic() - self._queue[0][4] if self._queue else 0.0

    def _flush(self) -> None:
        cluster = self._cluster
        if self._stopped:
            return
        if cluster.down or cluster.hold_publishes:
            asyncio.get_running_loop().call_later(0.005, self._flush)
            return
        self._flushing = False
        queue, self._queue = self._queue, []
        for tp, entries, done, _, _ in queue:
            if tp in cluster.logs:
                cluster.append(tp, entries)
                done(None)
            else:
                done(PublishError(f"no topic {tp.topic}"))


class MemoryReader:
    """See bus.ports.Reader."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self._cluster = cluster
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()

    async def start(self, positions: Mapping[TopicPartition, int]) -> None:
        self._positions = dict(positions)

    async def stop(self) -> None:
        self._positions.clear()

    async def poll(self, timeout_s: float, most: int) -> Mapping[TopicPartition, Sequence[StoredRecord]]:
        found = self._take(most)
        if not found:
            self._cluster.changed.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    while not (found := self._take(most)):
                        await self._cluster.changed.wait()
                        self._cluster.changed.clear()
            except TimeoutError:
                pass
        return found

    def _take(self, most: int) -> dict[TopicPartition, list[MemoryRecord]]:
        found: dict[TopicPartition, list[MemoryRecord]] = {}
        if self._cluster.down:
            return found
        for tp, position in self._positions.items():
            if tp in self._paused or most <= 0:
                continue
            start = self._cluster.starts.get(tp, 0)
            log = self._cluster.logs[tp]
            if not start <= position <= start + len(log):
                raise ReadError(f"{tp} has no offset {position}")
            records = log[position - start : position - start + most]
            if records:
                found[tp] = records
                most -= len(records)
                self._positions[tp] = records[-1].offset + 1
        return found

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        self._paused.update(partitions)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        self._paused.difference_update(partitions)
        self._cluster.changed.set()

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._positions[partition] = offset

    async def ends(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        return {tp: self._cluster.starts.get(tp, 0) + len(self._cluster.logs[tp]) for tp in partitions}

    async def begins(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        return {tp: self._cluster.starts.get(tp, 0) for tp in partitions}

    def lag(self) -> Mapping[TopicPartition, int]:
        return {
            tp: max(0, self._cluster.starts.get(tp, 0) + len(self._cluster.logs[tp]) - position)
            for tp, position in self._positions.items()
        }


class MemoryMember:
    """See bus.ports.Member. Every join or leave rebalances at once and eagerly, as aiokafka's groups do."""

    def __init__(
        self, cluster: MemoryCluster, group: str, claim: Claim, listener: GroupListener,
        thrown_out: Callable[[], bool] = lambda: True, **_ignored: Any,
    ) -> None:  # fmt: skip
        self._cluster = cluster
        self._name = group
        self._group = cluster.group(group)
        self._claim = claim
        self._listener = listener
        self._member = ""
        self.heard_at = 0.0
        self._thrown_out = thrown_out
        self._last_thrown_out = ""
        self._gave_up = False

    async def start(self) -> None:
        self._join()

    def _join(self) -> None:
        if self._gave_up:
            return
        self._member = self._cluster.new_member_id(self._claim.instance)
        self._group.members[self._member] = self
        self._rebalance()

    async def stop(self, leave: bool) -> None:
        self._group.members.pop(self._member, None)
        if leave:
            self._rebalance()

    def vanish(self) -> None:
        """As after a kill -9 and the session timeout: the group goes on without us, and we are not told."""
        self._group.members.pop(self._member, None)
        self._rebalance()

    def claim(self, config: str, units: int) -> None:
        self._claim = msgspec.structs.replace(self._claim, config=config, units=units)
        self._rebalance()

    def rejoin(self) -> None:
        self._group.members.pop(self._member, None)
        self._join()

    def _rebalance(self) -> None:
        if self._group.rebalancing is None or self._group.rebalancing.done():
            self._group.rebalancing = asyncio.create_task(self._rebalance_now())

    async def _rebalance_now(self) -> None:
        group = self._group
        await asyncio.sleep(0)
        for member in list(group.members.values()):
            await member._listener.revoked()
        if not group.members:
            group.generation += 1
            return
        group.generation += 1
        in_force, shares = assign_units(self._name, {name: member._claim for name, member in group.members.items()})
        for name, units in shares.items():
            member = group.members[name]
            member._claim = msgspec.structs.replace(member._claim, in_force=in_force, owned=tuple(units))
            member.heard_at = self._cluster.clock.monotonic()
            member._listener.assigned(Take(group.generation, name), units, in_force)

    async def committed(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, Commit | None]:
        await asyncio.sleep(0)
        return {tp: self._group.commits.get(tp) for tp in partitions}

    async def commit(self, take: Take, commits: Mapping[TopicPartition, Commit], timeout_s: float) -> None:
        if self._cluster.down:
            raise CommitNotSent("down")
        await asyncio.sleep(0)
        if self._cluster.hold_commits:
            raise CommitUnknown("held")
        if take.generation != self._group.generation:
            raise CommitRefused("IllegalGeneration")
        if take.member not in self._group.members:
            if take.member != self._last_thrown_out:
                self._last_thrown_out = take.member
                self._gave_up = not self._thrown_out()
            raise CommitRefused("UnknownMemberId")
        for commit in commits.values():
            if len(commit.metadata.encode()) > 4096:
                raise CommitUnknown("OffsetMetadataTooLarge")
        self._group.commits.update(commits)
        self.heard_at = self._cluster.clock.monotonic()
