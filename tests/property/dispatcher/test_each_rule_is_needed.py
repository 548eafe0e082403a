"""Each rule of DESIGN §5, taken away from our own lane, breaks a promise: the counter-examples of `ledger_model.py mutants`,
found again in the code. A rule whose removal nobody notices is either not needed or not tested.

Of `reroute_model.py`, V1 (the ledger diverts before the first copy) has no test of its own here: our lane copies only what is
reserved, so the commit that allows a copy is the one that diverts, or the record is below the old `high` and is listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from dispatcher.diversion import Copy, Diversion
from dispatcher.history import History
from dispatcher.lane import Lane
from dispatcher.outbox import Outbox, Parcel
from dispatcher.reservations import CommitPlan, Reservations
from dispatcher.seen import Place, Seen, key_of
from dispatcher.slots import Slot, SlotState, Token
from schemas.codec import encode
from schemas.records import Duplicate, InDoubtReason, MtMessage, Outcome
from tests.property.dispatcher.world import Broken, Faults, Process, World, swarm

OTP, NOTICE, MARKETING = 0, 1, 2
ONE = (OTP, 0, None, 1)
SEEDS = 1500


class WritesBeforeTheCommit(Lane):
    def commit_plan(self, now: float) -> CommitPlan | None:
        plan = super().commit_plan(now)
        for slot in plan.slots if plan else ():
            self.queue.ready(slot)
        return plan

    def committed(self, plan: CommitPlan) -> None:
        self.reservations.committed(plan)


class SettlesBeforeTheAck(Lane):
    def publish(self, slot: Slot) -> Outbox:
        self.reservations.settle(slot.place)
        return super().publish(slot)

    def published(self, parcel: Parcel) -> None:
        for slot, effect in parcel.slots:
            if effect == "resend" and slot.state is SlotState.LISTING:
                slot.doubted = True
                self.queue.again(slot)


class HasNoBudget(Lane):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.reservations = _Unbounded(1)


class _Unbounded(Reservations):
    def room(self, bulk: bool) -> bool:
        return True


class ResendsBeforeItIsListed(Lane):
    def doubt(self, slot: Slot, message: MtMessage, reason: InDoubtReason, now_ms: int) -> None:
        super().doubt(slot, message, reason, now_ms)
        slot.doubted = True
        self.queue.again(slot)


class NoticeSettles(Lane):
    def published(self, parcel: Parcel) -> None:
        for slot, effect in parcel.slots:
            if effect == "resend":
                self.reservations.settle(slot.place)
        super().published(parcel)


class ForgetsDoubts(Lane):
    def doubt(self, slot: Slot, message: MtMessage, reason: InDoubtReason, now_ms: int) -> None:
        self.memory._seen = {}
        super().doubt(slot, message, reason, now_ms)
        self.memory._seen = {}


class ResendsWithoutADoubt(Lane):
    def unanswered(self, tokens: Iterable[Token], reason: InDoubtReason, now: float, now_ms: int) -> None:
        for slot, _, _ in tokens:
            self.out -= 1
            self.queue.again(slot)
            slot.state = SlotState.READY


class KnowsOnlyWhatIsSettled(History):
    def learn(self, outcomes: Iterable[Outcome]) -> None:
        super().learn(outcomes)
        self.seen.clear()


class RemembersDroppedTwins(History):
    def learn(self, outcomes: Iterable[Outcome]) -> None:
        kept = list(outcomes)
        super().learn(kept)
        for outcome in kept:
            key = key_of(outcome.id, outcome.attempt, outcome.hop) if isinstance(outcome, Duplicate) else None
            if key is not None and isinstance(outcome, Duplicate):
                self.seen.insert(0, (key, Place(outcome.cls, self.partition, outcome.offset)))


class NotPinned(World):
    def fenced(self, process: Process) -> bool:
        return False


class KeepsMemoryAlways(World):
    def keeps_memory(self, process: Process) -> bool:
        return True


class GoesOnAfterAnUnknownCommit(World):
    unknown_ends_take = False


class SettlesBeforeTheCopyIsThere(Diversion):
    def redirect(self, now_ms: int) -> list[tuple[Slot, Copy]]:
        copies = super().redirect(now_ms)
        for slot, copy in copies:
            super().copied(slot, copy, now_ms)
        return copies

    def copied(self, slot: Slot, copy: Copy, now_ms: int) -> None:
        pass


class GoesHomeAtOnce(Diversion):
    def maybe_copied(self, slot: Slot) -> None:
        self._lane.queue.ready(slot)


class GoesHomeWithTooMuch(Diversion):
    @property
    def _open_here(self) -> int:
        return 0


class KnowsNoRoutes(Diversion):
    """What may have been copied is copied again by the routes of now, wherever that leads."""

    def found(self, ways: list[str], everywhere: bool) -> None:
        super().found(ways, everywhere)
        self._found_routes = self.routes


class WritesAgainAtHome(Diversion):
    def _go_home(self, slot: Slot) -> None:
        self._lane.queue.ready(slot)


class HopsDiffer(World):
    """The source does not fix the hop of a copy, so a copy that is made twice is two messages there."""

    def _reroute(self, item: MtMessage, index: bytes, avoid: str, doubted: bool) -> Copy | None:
        copy = super()._reroute(item, index, avoid, doubted)
        hop = len(self.steps) + 1
        return copy and copy._replace(value=encode(replace(item, carrier="beta", hop=hop)))


TWINS = [(OTP, 0, 1, 1), (OTP, 0, 2, 1), (OTP, 0, 1, 1)]
MUTANTS: dict[
    str, tuple[type[World] | type[Lane] | type[History] | type[Diversion], list[Any], Faults, Mapping[str, Any], str]
] = {
    "R1 reserve": (WritesBeforeTheCommit, [ONE] * 3, Faults(crashes=1), {}, "R1"),
    "R2 settle on the ack": (SettlesBeforeTheAck, [ONE] * 2, Faults(crashes=1), {}, "I4"),
    "R3 budget": (HasNoBudget, [ONE] * 6, Faults(crashes=1), {}, "I3"),
    "R4 pin": (NotPinned, [ONE] * 3, Faults(moves=1), {}, "I"),
    "R5 one commit": (GoesOnAfterAnUnknownCommit, [ONE] * 3, Faults(unknown_commits=1, crashes=1), {}, "I"),
    "R6 token": (KeepsMemoryAlways, [ONE] * 3, Faults(moves=1, returns=1), {}, "I"),
    "R7 list first": (ResendsBeforeItIsListed, [ONE] * 2, Faults(crashes=2), {}, "I2"),
    "R8 a notice does not settle": (NoticeSettles, [ONE] * 2, Faults(crashes=2), {}, "I4"),
    "R9 history": (KnowsOnlyWhatIsSettled, TWINS, Faults(crashes=1), {}, "I2"),
    "R9 doubts are seen": (ForgetsDoubts, TWINS, Faults(crashes=2), {}, "I"),
    "R9 a dropped twin is not": (RemembersDroppedTwins, TWINS, Faults(crashes=2), {}, "I1"),
    "R13 settle on the copy's ack": (SettlesBeforeTheCopyIsThere, [ONE] * 3, Faults(diversions=1, crashes=1), {}, "I1"),
    "R13 copy again before going home": (GoesHomeAtOnce, [ONE] * 3, Faults(diversions=1, crashes=1), {}, "I"),
    "R13 home within the exposure": (GoesHomeWithTooMuch, [ONE] * 6, Faults(diversions=1, crashes=1), {}, "I3"),
    "R13 list before copying": (ResendsWithoutADoubt, [ONE] * 2, Faults(diversions=1), {}, "I2"),
    "R13 the same way again": (
        KnowsNoRoutes,
        [ONE] * 3,
        Faults(diversions=1, route_changes=1, crashes=1),
        {},
        "I2",
    ),
    "R13 a fixed hop": (HopsDiffer, [ONE] * 3, Faults(diversions=1, crashes=1), {}, "I2"),
    "R13 at home what is out is out": (
        WritesAgainAtHome,
        [(OTP, 0, None, 3)] * 2,
        Faults(diversions=1),
        {},
        "I2",
    ),
    "R10 in doubt in place": (ResendsWithoutADoubt, [ONE] * 2, Faults(timeouts=2), {}, "I2"),
}


@pytest.mark.as_written
@pytest.mark.parametrize("name", MUTANTS)
def test_without_the_rule_a_promise_breaks(name: str) -> None:
    mutant, records, faults, options, expected = MUTANTS[name]
    for seed in range(SEEDS):
        cls = mutant if issubclass(mutant, World) else World
        played = cls(records, Faults(**vars(faults)), **options)
        if issubclass(mutant, Lane):
            played.lane_class = mutant
            played.processes = []
            played.processes.append(played._process())
        elif issubclass(mutant, History):
            played.history_class = mutant
        elif issubclass(mutant, Diversion):
            played.diversion_class = mutant
            played.processes = []
            played.processes.append(played._process())
        noticed = _run(played, seed)
        if noticed:
            break
    assert noticed.startswith((expected, "does not come to an end")), noticed or "nobody noticed"


def _run(played: World, seed: int) -> str:
    try:
        played.run(swarm(seed))
    except Broken as fault:
        return str(fault)
    return ""


def test_the_seen_set_forgets_the_oldest_first() -> None:
    seen = Seen(2)
    keys = [bytes([number]) * 10 for number in range(3)]
    for number, key in enumerate(keys):
        seen.add(key, Place(0, 0, number))
    assert not seen.other(keys[0], Place(0, 0, 9))
    assert seen.other(keys[2], Place(0, 0, 9))
    assert not seen.other(keys[2], Place(0, 0, 2))
