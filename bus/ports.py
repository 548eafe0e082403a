"""What the roles may ask of Kafka. `bus.kafka_*` and `bus.memory` both keep to it; tests/contract holds them to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

Entry = tuple[bytes | None, bytes | None]
"""Key and value of a record to publish; a value of None deletes the key from a compacted topic."""

Done = Callable[[Exception | None], None]
"""Called once, in the event loop, when all entries of a publish are acknowledged (None) or given up."""


class TopicPartition(NamedTuple):
    topic: str
    partition: int


class StoredRecord(Protocol):
    """One record as read. `timestamp` is Unix milliseconds."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class PublishError(Exception):
    """Kafka will not have these records, or the publisher was stopped. Whether they are in the log may be unknown."""


class Publisher(Protocol):
    """Batches in, batches out: what is published between two flushes leaves in one request a broker."""

    async def start(self) -> None: ...

    async def stop(self) -> None:
        """Waits for what is under way; gives up the rest with PublishError."""
        ...

    def publish(
        self, topic: str, partition: int, entries: Sequence[Entry], done: Done, *, lasting: bool = False
    ) -> None:
        """Queues entries, in order. `lasting`: published again until acknowledged, whatever happens (a record may then
        stand twice); otherwise a fatal fault of the producer ends in `done(PublishError)`."""
        ...

    @property
    def backlog_bytes(self) -> int:
        """Bytes that are not acknowledged yet."""
        ...

    def waiting_s(self) -> float:
        """How long the oldest entry has waited for its acknowledgement; 0 when none waits."""
        ...


class Reader(Protocol):
    """Reads given partitions from given offsets: no group, no commits of its own."""

    async def start(self, positions: Mapping[TopicPartition, int]) -> None: ...

    async def stop(self) -> None: ...

    async def poll(self, timeout_s: float, most: int) -> Mapping[TopicPartition, Sequence[StoredRecord]]:
        """At most `most` records of partitions that are not paused; empty after `timeout_s` seconds without any.

        Raises ReadError when an offset is not there any more.
        """
        ...

    def pause(self, partitions: Iterable[TopicPartition]) -> None: ...

    def resume(self, partitions: Iterable[TopicPartition]) -> None: ...

    def seek(self, partition: TopicPartition, offset: int) -> None: ...

    async def ends(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The offset after the last record of each."""
        ...

    async def begins(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The first offset that is kept of each."""
        ...

    def lag(self) -> Mapping[TopicPartition, int]:
        """Records that are there and not read yet, as far as the last polls told."""
        ...


class ReadError(Exception):
    """A position that the topic does not have (any more)."""


class Take(NamedTuple):
    """What fences a commit: the group's generation and our member id in it, as they were when partitions were taken."""

    generation: int
    member: str


class Commit(NamedTuple):
    """A committed offset and its metadata (at most 4096 bytes)."""

    offset: int
    metadata: str


class CommitRefused(Exception):
    """The broker refused the commit: another generation, another member. It is not, and never will be, in force."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class CommitUnknown(Exception):
    """No answer in time: the commit may be in force or become so until the next join. Ends the take (DESIGN §5, rule 5)."""


class CommitNotSent(Exception):
    """The coordinator is not known or not connected: nothing was sent, and the take may try again."""


class GroupListener(Protocol):
    """What a member of a group is told. `revoked` is awaited before the join; `assigned` must return at once."""

    def revoked(self) -> Awaitable[None]: ...

    def assigned(self, take: Take, units: Sequence[int], units_in_force: int) -> None:
        """`units`: the numbers of the lanes (or partitions) that are ours now, of `units_in_force` in the whole group."""
        ...


class Member(Protocol):
    """Membership of a group whose unit of work is a number of partitions that go together."""

    async def start(self) -> None: ...

    async def stop(self, leave: bool) -> None:
        """`leave`: hand over at once; otherwise a static member's units stay its own until the session timeout."""
        ...

    async def committed(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, Commit | None]: ...

    async def commit(self, take: Take, commits: Mapping[TopicPartition, Commit], timeout_s: float) -> None:
        """All or nothing. Raises CommitRefused, CommitUnknown, CommitNotSent."""
        ...

    @property
    def heard_at(self) -> float:
        """Monotonic time at which the last heartbeat or commit that succeeded was sent."""
        ...

    def rejoin(self) -> None:
        """Gives up the take: the next one has another member id, so nothing of this one can be committed late."""
        ...
