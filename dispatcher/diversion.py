"""Sending a lane's backlog to other carriers, because its own is down or is being drained (DESIGN §5, rule 13).

First the ledger says so and Kafka acknowledges it: from then on nothing is written here, whoever owns the lane. Then each
message is copied to the next carrier of its route, with hop + 1, which that carrier's lane drops if it has seen it; on the
copy's acknowledgement its record is settled as Rerouted. What has no other carrier stays, or waits at the scheduler when there is
too much of it. To go home the copies under way are settled, then the ledger takes the diversion back.

A record is copied only below an acknowledged `high`, as it is written: so after a crash what may have been copied is open in the
ledger, and the new owner copies it again (dropped there) before it may go home. The ledger has a mark of the routes that copies
were made by. Where they are others by now, the second copy may go to another carrier than the first: it is listed in doubt first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from dispatcher.reservations import CommitPlan
from dispatcher.slots import Slot, SlotState
from schemas.records import MtMessage

if TYPE_CHECKING:
    from dispatcher.lane import Lane

COPIES_A_TURN: Final = 500
WAIT_MS: Final = 30_000
"""How long the scheduler keeps a message that has nowhere to go."""


class Copy(NamedTuple):
    """A message made over to another carrier: the record to publish, and what its outcome here says."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    to: str
    price_micros: int
    segments: int


Reroute = Callable[[MtMessage, bytes, str, bool], Copy | None]
"""(message, destination's service-wide index, carriers to avoid, possible duplicate) → its copy; None: nowhere to go.
The same arguments and routes give the same carrier, so that a copy made twice is dropped once."""


def _way(avoid: str, routes: str) -> str:
    """What the ledger says of a diversion."""
    return f"{avoid}@{routes}" if routes else avoid


def _avoided(way: str) -> str:
    return way.partition("@")[0]


def _routes(way: str) -> str:
    return way.partition("@")[2]


class Diversion:
    """The diversion of one lane."""

    def __init__(self, lane: Lane, reroute: Reroute) -> None:
        self.way = ""
        """What the ledger is to say: carriers that copies must not go to, and the routes' mark; "": nothing is diverted."""
        self.routes = ""
        """The mark of the routes as they are now (CarrierBook.routing_mark). The lane's owner keeps it up to date."""
        self.in_force = False
        """Kafka acknowledged a ledger that diverts so: records may be copied."""
        self._asked = False
        """A commit that diverts was made, and none that doesn't was acknowledged since: the ledger may divert."""
        self._lane = lane
        self._reroute = reroute
        self._ending = False
        self._copying = 0
        self._found_routes: str | None = ""
        self._kept: deque[Slot] = deque()
        self._maybe_copied: deque[Slot] = deque()

    @property
    def blocks(self) -> bool:
        """Nothing may be written here: it is diverted, about to be, or the end of it is not acknowledged yet."""
        return bool(self.way) or self._asked

    @property
    def takes(self) -> bool:
        """Records are to be reserved for copying."""
        return bool(self.way) and self.in_force and not self._ending

    @property
    def to_commit(self) -> bool:
        """The ledger does not say yet what is wanted."""
        return not self.in_force if self.way else self._asked

    @property
    def _open_here(self) -> int:
        """Records that would be exposed if writing began now."""
        return self._lane.reservations.open - self._copying

    @property
    def kept(self) -> int:
        """Messages that have nowhere to go, and stay."""
        return len(self._kept)

    def found(self, ways: list[str], everywhere: bool) -> None:
        """The ledgers that were taken over divert already, `ways` at least one; `everywhere`: all of them."""
        way = self.way = ways[0]
        self._found_routes = _routes(way) if len(set(ways)) == 1 else None
        self.in_force = everywhere
        self._asked = True
        if not everywhere:
            self._lane.reservations.divert(way)
        self._lane.reservations.diverted = way

    def begin(self, avoid: str) -> None:
        """From now on nothing is written; `redirect` gives copies once Kafka has the ledger that says so, and by which routes."""
        self._ending = False
        if _avoided(self.way) != avoid:
            self._go(_way(avoid, self.routes))

    def _go(self, way: str) -> None:
        self.way, self.in_force = way, False
        self._lane.reservations.divert(way)

    def end(self) -> None:
        """The carrier is well again: no new copies; when those under way are settled, writing goes on."""
        self._ending = bool(self.way)
        self._end_if_done()

    def renewed(self) -> None:
        """After a rejoin: what the broker has of our last commit is not known, so it is asked for again."""
        if self.way:
            self.in_force = False

    def planned(self, plan: CommitPlan) -> None:
        """A commit is about to be made."""
        self._asked = self._asked or bool(plan.diverted)

    def committed(self, plan: CommitPlan) -> None:
        """Kafka has what the plan says."""
        self._asked = bool(plan.diverted)
        self.in_force = bool(plan.diverted) and plan.diverted == self.way

    def redirect(self, now_ms: int) -> list[tuple[Slot, Copy]]:
        """Copies to publish now; `copied` tells that Kafka has one."""
        copies: list[tuple[Slot, Copy]] = []
        if not self.way or not self.in_force or not self._lane.told:
            return copies
        while self._maybe_copied:
            slot = self._maybe_copied.popleft()
            if slot.message is None:
                continue
            if self._found_routes != self.routes or not self._copy(slot, slot.message, now_ms, copies):
                # Routes have changed: it has another way now, or none, so it counts as one that may have been sent.
                self._lane.doubt(slot, slot.message, "owner_lost", now_ms)
        if _routes(self.way) != self.routes:
            self._follow_routes()
            return copies
        # On the way home what was reserved beyond the exposure still goes the other way.
        while len(copies) < COPIES_A_TURN and (self.takes or self._open_here > self._lane.carrier.exposure_limit):
            found = self._lane.queue.next(bulk=True)
            if found is None:
                break
            if found.started or (found.pending and found.state is SlotState.OUT):
                self._kept.append(found)  # some segment is with this carrier: the others follow it
                continue
            message = self._lane.passed(found, now_ms)
            if message is None:
                continue
            if not found.doubted and self._lane.memory.seen_before(found):
                self._lane.publish(found).duplicate(found, message, now_ms)
                continue
            if not self._copy(found, message, now_ms, copies):
                self._keep(found, message, now_ms)
        self._end_if_done()
        return copies

    def _follow_routes(self) -> None:
        """By other routes only what was not copied by these: so those copies are waited for."""
        if not self._copying and not self._lane.reservations.covered_left:
            self._go(_way(_avoided(self.way), self.routes))

    def _copy(self, slot: Slot, message: MtMessage, now_ms: int, copies: list[tuple[Slot, Copy]]) -> bool:
        """False: it has nowhere to go."""
        copy = self._reroute(message, slot.index, _avoided(self.way), slot.doubted)
        if copy is None:
            return False
        self._lane.memory.remember(slot)
        slot.state, slot.away = SlotState.PUBLISHING, True
        self._copying += 1
        copies.append((slot, copy))
        return True

    def maybe_copied(self, slot: Slot) -> None:
        """The owner before us may have copied it: it goes the same way again, whatever else is decided."""
        slot.state = SlotState.READY
        self._maybe_copied.append(slot)

    def _keep(self, slot: Slot, message: MtMessage, now_ms: int) -> None:
        """Stays, as far as the exposure allows once it may be written again; else the scheduler has it."""
        lane = self._lane
        if self._open_here <= lane.carrier.exposure_limit:
            self._kept.append(slot)
        else:
            lane.publish(slot).deferred(slot, message, now_ms + WAIT_MS, "carrier_down", now_ms)

    def copied(self, slot: Slot, copy: Copy, now_ms: int) -> None:
        """The other carrier's topic has the copy."""
        if slot.message is not None:
            self._lane.outbox.rerouted(slot, slot.message, copy, now_ms)

    def settled(self, slot: Slot) -> None:
        """Kafka has the outcome of a copied message."""
        if slot.away:
            self._copying -= 1
            self._end_if_done()

    def _end_if_done(self) -> None:
        if self._ending and not (
            self._copying
            or self._maybe_copied
            or self._lane.reservations.covered_left
            or self._open_here > self._lane.carrier.exposure_limit
        ):
            self._ending = False
            self.way = ""
            self._lane.reservations.divert("")
            while self._kept:
                self._go_home(self._kept.popleft())

    def _go_home(self, slot: Slot) -> None:
        """Written here again; one that is out goes on where it was, and one that has its outcome by now does not."""
        if slot.state is SlotState.OUT:
            self._lane.queue.again(slot)
        elif slot.state is SlotState.READY:
            self._lane.queue.ready(slot)

    def sweep(self, now_ms: int) -> None:
        """Lets the gate have its say over what is kept: it may expire here."""
        for _ in range(len(self._kept)):
            slot = self._kept.popleft()
            stays = slot.state is SlotState.OUT or (slot.state is SlotState.READY and slot.started)
            if stays or (slot.state is SlotState.READY and self._lane.passed(slot, now_ms) is not None):
                self._kept.append(slot)
