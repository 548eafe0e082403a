"""All queues of a lane with one budget: what may be reserved, what the next commit says, what it allows (§5, rules 1–5)."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Final, NamedTuple

from bus.ports import Commit, TopicPartition
from dispatcher import ledger as ledgers
from dispatcher.ledger import LedgerState, QueueLedger
from dispatcher.seen import Place
from dispatcher.slots import Slot
from schemas.classes import OTP

SETTLE_COMMIT_S: Final = 0.1
"""Settled records reach the ledger this soon when nothing else needs a commit."""

DIVERTED_BUDGET: Final = 1000
"""Records that may be open while diverted: none of them is written here, so they are not exposed."""

Where = tuple[int, int]
"""Class and partition: a queue of the lane."""


class CommitPlan(NamedTuple):
    """A commit to make, and what its acknowledgement allows."""

    commits: dict[TopicPartition, Commit]
    highs: list[tuple[QueueLedger, int]]
    slots: list[Slot]
    diverted: str
    """What the commit says of a diversion."""


class Reservations:
    """`exposure`: most open records below `high`, all queues together; a tenth, at least one, is kept for otp."""

    def __init__(self, exposure: int) -> None:
        self.token = ledgers.NO_TOKEN
        self.diverted = ""
        self.open = 0
        self.doubts_left = 0
        """Offsets in doubt since the take whose records were not read yet."""
        self.covered_left = 0
        """Offsets that were diverted at the take, whose records were not read yet."""
        self.waiting: list[Slot] = []
        """Reserved, and not in a commit that is acknowledged or under way."""
        self._open_bulk = 0
        self._queues: dict[Where, tuple[TopicPartition, QueueLedger]] = {}
        self._doubtful: dict[Where, set[int]] = {}
        self._covered: dict[Where, set[int]] = {}
        self._plan_out = False
        self._settled_at: float | None = None
        self.configure(exposure)

    def configure(self, exposure: int) -> None:
        """Another exposure: what is open beyond it just settles."""
        self._exposure = exposure
        self._kept = max(1, exposure // 10) if exposure > 1 else 0

    def install(self, token: str, states: Mapping[Where, tuple[TopicPartition, LedgerState]]) -> None:
        """Ledgers as committed; the next plan writes our token into all of them. Whatever is open is doubtful, save what
        a diversion covers and was never written here."""
        self.token = token
        for where, (tp, state) in states.items():
            ledger = QueueLedger(state)
            ledger.dirty = True
            mid = state.divert.mid if state.divert is not None else state.high
            self._covered[where] = {offset for offset in ledger.open if offset >= mid}
            self.covered_left += len(self._covered[where])
            self._queues[where] = (tp, ledger)
            self._doubtful[where] = set(ledger.open) - self._covered[where]
            self.open += len(ledger.open)
            self.doubts_left += len(self._doubtful[where])
            self._open_bulk += len(ledger.open) if where[0] != OTP else 0

    def renew(self) -> None:
        """After a rejoin with our token in force: everything is committed anew under the new take."""
        for _, ledger in self._queues.values():
            ledger.dirty = True
        self._plan_out = False

    def queue(self, where: Where) -> QueueLedger:
        return self._queues[where][1]

    def doubtful(self, where: Where) -> set[int]:
        """Offsets of one queue in doubt since the take; see `listed`."""
        return self._doubtful[where]

    def covered(self, where: Where) -> set[int]:
        """Offsets of one queue that were open and diverted when the lane was taken: to be copied again."""
        return self._covered[where]

    def read_covered(self, where: Where, offset: int) -> None:
        self._covered[where].discard(offset)
        self.covered_left -= 1

    def listed(self, where: Where, offset: int) -> None:
        """The record of a doubtful offset was read, or is known to be gone."""
        self._doubtful[where].discard(offset)
        self.doubts_left -= 1

    def doubts_only_in(self, wheres: Container[Where]) -> bool:
        return all(where in wheres for where, offsets in self._doubtful.items() if offsets)

    def starts(self) -> dict[TopicPartition, int]:
        """Where reading begins after `install`: each queue's low."""
        return {tp: ledger.state(self.token).low for tp, ledger in self._queues.values()}

    def divert(self, way: str) -> None:
        """The next plan says in every ledger that its records go elsewhere, or ("") that they don't any more."""
        for _, ledger in self._queues.values():
            # What is at or above the acknowledged high was never written, nor will be; while it diverts nothing is.
            mid = ledger.divert.mid if ledger.divert is not None else ledger.high
            ledger.divert = ledgers.Divert(mid, way) if way else None
            ledger.dirty = True
        self.diverted = way

    def room(self, bulk: bool) -> bool:
        """Whether one more record may be open (rule 3)."""
        if self.diverted:
            return self.open < DIVERTED_BUDGET
        if bulk and self._open_bulk >= self._exposure - self._kept:
            return False
        return self.open < self._exposure

    def reserve(self, slot: Slot) -> None:
        """Opens a record. It may be written, or copied, when a plan with it is acknowledged."""
        cls, partition, offset = slot.place
        self._queues[cls, partition][1].reserve(offset, slot)
        self.open += 1
        self._open_bulk += cls != OTP
        self.waiting.append(slot)

    def reserve_dropped(self, slot: Slot) -> None:
        """Opens a record that is not going to be written at all: nothing waits for its commit."""
        self.reserve(slot)
        self.waiting.pop()

    def settle(self, place: Place) -> None:
        """Kafka acknowledged a record's outcome (rule 2)."""
        cls, partition, offset = place
        self._queues[cls, partition][1].settle(offset)
        self.open -= 1
        self._open_bulk -= cls != OTP

    def plan(self, now: float, in_a_hurry: bool) -> CommitPlan | None:
        """The commit to make now, if any: one at a time (rule 5); reservations at once, settled records a little later."""
        if self._plan_out or self.token == ledgers.NO_TOKEN:
            return None
        dirty = [queue for queue in self._queues.values() if queue[1].dirty]
        if not dirty:
            self._settled_at = None
            return None
        if not self.waiting and not in_a_hurry:
            if self._settled_at is None:
                self._settled_at = now
            if now < self._settled_at + SETTLE_COMMIT_S:
                return None
        self._settled_at = None
        self._plan_out = True
        plan = CommitPlan({}, [], self.waiting, self.diverted)
        self.waiting = []
        for tp, ledger in dirty:
            ledger.dirty = False
            plan.commits[tp] = ledgers.encode(ledger.state(self.token))
            plan.highs.append((ledger, ledger.reserved))
        return plan

    def committed(self, plan: CommitPlan) -> None:
        """Acknowledged: the plan's slots may be written (rule 1)."""
        self._plan_out = False
        for ledger, high in plan.highs:
            ledger.raised(high)

    def not_committed(self, plan: CommitPlan) -> None:
        """Not in force as far as we know: the next plan asks for the same again."""
        self._plan_out = False
        self.waiting = plan.slots + self.waiting
        for ledger, _ in plan.highs:
            ledger.dirty = True

    def deadline(self) -> float | None:
        """When `plan` has something that no event brings."""
        if self._settled_at is None or self._plan_out:
            return None
        return self._settled_at + SETTLE_COMMIT_S
