"""What stays with its carrier while the backlog goes elsewhere, and how it goes on when the carrier is well again."""

from __future__ import annotations

from schemas.records import Expired, InDoubt, Rerouted, SubmitOutcome
from tests.unit.dispatcher.rig import MARKETING, NOTICE, NOW_MS, LaneRig, carrier


def half_written() -> LaneRig:
    """A long message of which three segments are out and unanswered; the window has no place for the rest."""
    rig = LaneRig(carrier(tps=1000, window=3, exposure=5), segments={0: 5})
    rig.feed(NOTICE)
    rig.run(0.1, answers_after_s=60)
    assert [item.token.part for item in rig.out] == [0, 1]  # a place is kept for otp
    return rig


def divert(rig: LaneRig) -> None:
    """As dispatcher.watch does when answers did not come in time."""
    rig.lane.diversion.begin("alpha")
    rig.turn()


def come_home(rig: LaneRig) -> None:
    rig.acknowledge_copies()
    rig.lane.diversion.end()
    rig.turn()


def test_segments_that_are_out_are_not_written_again_after_a_short_drain() -> None:
    rig = half_written()
    divert(rig)
    come_home(rig)
    rig.answer(list(rig.out))
    written = rig.run(0.1, answers_after_s=0.001)
    assert [token.part for token in written] == [2, 3, 4]
    assert [type(outcome) for outcome in rig.outcomes] == [SubmitOutcome]


def test_one_that_timed_out_meanwhile_and_went_elsewhere_is_not_written_here_as_well() -> None:
    rig = half_written()
    divert(rig)
    lost, rig.out = rig.out, []
    rig.lane.unanswered([item.token for item in lost], "no_answer", rig.now, rig.now_ms)
    rig.turn()
    rig.turn()
    come_home(rig)
    assert rig.run(0.1, answers_after_s=0.001) == []
    assert [type(outcome) for outcome in rig.outcomes] == [InDoubt, Rerouted]
    assert rig.lane.reservations.open == 0


def test_one_that_was_answered_meanwhile_is_over() -> None:
    rig = LaneRig(carrier(tps=1000, window=3, exposure=5), segments={0: 2})
    rig.feed(NOTICE)
    rig.turn()
    divert(rig)
    rig.answer(list(rig.out))
    rig.publish()
    come_home(rig)
    rig.run(0.1, answers_after_s=0.001)
    assert [type(outcome) for outcome in rig.outcomes] == [SubmitOutcome]


def test_what_has_nowhere_to_go_stays_and_expires_here_once() -> None:
    rig = LaneRig(carrier(tps=1000, window=10, exposure=10), reroutes=False)
    rig.lane.bound = False
    rig.feed(MARKETING, 3)
    divert(rig)
    assert rig.lane.diversion.kept == 3
    for _ in range(2):
        rig.lane.sweep(NOW_MS + 10**9)
        rig.publish()
    assert [type(outcome) for outcome in rig.outcomes] == [Expired] * 3
    assert rig.lane.reservations.open == 0


def test_what_may_have_gone_away_before_and_has_no_way_now_is_listed() -> None:
    """The last owner copied it; since then carriers.toml lost the other carrier."""
    rig = LaneRig(carrier(tps=1000, window=10, exposure=10), reroutes=False)
    rig.feed(MARKETING)
    divert(rig)
    (slot,) = rig.lane.diversion._kept
    rig.lane.diversion._kept.clear()
    rig.lane.diversion.maybe_copied(slot)
    rig.turn()
    (outcome,) = rig.outcomes
    assert isinstance(outcome, InDoubt)
    assert (outcome.reason, outcome.action) == ("owner_lost", "waiting")
