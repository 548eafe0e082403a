"""One message on its way through a lane: which of its segments are to be written, out, or answered."""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from typing import NamedTuple

from bus.ports import StoredRecord
from dispatcher.seen import Key, Place
from schemas.records import MtMessage


class SlotState(IntEnum):
    """RESERVED → READY → OUT → PUBLISHING → DONE, with LISTING and back to READY for a message in doubt."""

    RESERVED = 0
    """In a commit that is not acknowledged yet."""
    READY = 1
    """Below the acknowledged `high`: may be written."""
    OUT = 2
    """Written, at least in part."""
    LISTING = 3
    """In doubt; the notice is on its way to Kafka."""
    PUBLISHING = 4
    """Its outcome is on its way to Kafka."""
    DONE = 5


class Slot:
    """A message from its reservation until Kafka has its outcome."""

    __slots__ = (
        "away",
        "bodies",
        "code",
        "doubted",
        "epoch",
        "fault",
        "ids",
        "key",
        "message",
        "order",
        "pending",
        "place",
        "raw",
        "retried",
        "started",
        "state",
        "status",
        "submitted_ms",
        "todo",
    )

    def __init__(self, place: Place, message: MtMessage | None, key: Key | None, order: int) -> None:
        self.place = place
        self.message = message
        self.key = key
        self.order = order
        self.state = SlotState.RESERVED
        self.bodies: tuple[bytes, ...] = ()
        self.todo: deque[int] = deque()
        self.pending: set[int] = set()
        self.ids: list[str | None] = []
        self.epoch = 0
        self.submitted_ms = 0
        self.code = ""
        self.status = 0
        self.doubted = False
        self.retried = False
        """A temporary refusal was tried again at once; the next one goes to the scheduler."""
        self.away = False
        """Copied to another carrier."""
        self.started = False
        """Some segment was accepted: the gate has no more say, a torso helps nobody."""
        self.raw: StoredRecord | None = None
        """The record itself, for one that can't be read; `fault` says why."""
        self.fault = ""

    def __lt__(self, other: Slot) -> bool:
        return self.order < other.order

    def load(self, bodies: tuple[bytes, ...]) -> None:
        """The submit_sm bodies, one a segment, once they are known."""
        self.bodies = bodies
        self.todo.extend(range(len(self.bodies)))
        self.ids = [None] * len(self.bodies)

    def answered(self, part: int, message_id: str) -> None:
        """Accepted by the carrier."""
        self.pending.discard(part)
        self.ids[part] = message_id
        self.started = True

    def refused(self, part: int) -> None:
        """Throttled: no outcome; the segment goes again, before what follows it."""
        self.pending.discard(part)
        self.todo.appendleft(part)
        if len(self.todo) > 1 and self.todo[0] > self.todo[1]:
            self.todo = deque(sorted(self.todo))

    def failed(self, part: int, status: int, code: str) -> None:
        """Refused for good: the segments not written yet would help nobody."""
        self.pending.discard(part)
        if not self.code:
            self.code, self.status = code, status
        self.todo.clear()

    @property
    def index(self) -> bytes:
        """The destination's service-wide index: the key of the record."""
        return (self.raw.key if self.raw is not None else None) or b""

    @property
    def finished(self) -> bool:
        """Every segment that was written has its answer, and none is left to write."""
        return not self.pending and not self.todo

    def write_again(self) -> None:
        """Before a resend: what has no answer is to be written anew; answers to the first writes are late from now on."""
        if self.pending:
            self.todo = deque(sorted(self.pending.union(self.todo)))
            self.pending.clear()
            self.epoch += 1


class Token(NamedTuple):
    """What goes with a submit_sm and comes back with its answer. `epoch` tells a first write from a resend."""

    slot: Slot
    part: int
    epoch: int
