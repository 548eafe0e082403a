"""Rules of DESIGN §5 that the model leaves out, one by one: the refusal (11), the lease (12), the missing ledger (14), and what a
lane remembers of copies that it is given."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bus.memory import MemoryRecord
from bus.ports import Commit, TopicPartition
from dispatcher.ledger import empty_commit
from dispatcher.takeover import MissingLedgerError, ledgers_of
from schemas.codec import encode
from schemas.records import Duplicate, SubmitOutcome
from smpp.core.constants import CommandStatus
from tests.unit.dispatcher.rig import NOTICE, NOW_MS, OTP, LaneRig, carrier, message


@pytest.mark.parametrize("status", [CommandStatus.ESME_RTHROTTLED, CommandStatus.ESME_RMSGQFUL])
def test_a_refused_segment_goes_first_again_after_a_pause_of_the_whole_lane(status: int) -> None:
    rig = LaneRig(carrier(tps=1000, window=10))
    rig.feed(NOTICE, 30)
    first = rig.turn()
    rig.answer(rig.out[:2], status)
    rig.answer(list(rig.out))
    assert rig.turn() == []
    rig.now += 0.2
    again = rig.turn()
    assert [token.slot for token in again[:2]] == [token.slot for token in first[:2]]
    assert [type(outcome) for outcome in rig.outcomes] == [SubmitOutcome] * (len(first) - 2)


def test_nothing_is_written_at_or_after_the_end_of_the_lease() -> None:
    rig = LaneRig(carrier(tps=1000, window=10))
    rig.feed(OTP, 5)
    rig.lane.lease_until = rig.now
    assert rig.turn() == []
    rig.lane.lease_until = rig.now + 0.001
    assert len(rig.turn()) == 5


def test_a_missing_ledger_is_an_error_and_says_what_to_do() -> None:
    there, gone = TopicPartition("mt.alpha.otp", 0), TopicPartition("mt.alpha.otp", 1)
    commits: dict[TopicPartition, Commit | None] = {there: empty_commit(5), gone: None}
    with pytest.raises(MissingLedgerError, match=r"mt\.alpha\.otp\[1\]"):
        ledgers_of(commits, "dispatch.alpha")
    assert ledgers_of({there: empty_commit(5)}, "dispatch.alpha")[there].low == 5


def feed_copies(rig: LaneRig, *hops: int) -> None:
    """One message, as often as other carriers sent it here, with the hop of each copy."""
    item = message(7, NOTICE)
    rig._parts[item.id] = 1
    records = [MemoryRecord(at, NOW_MS, b"index", encode(replace(item, hop=hop))) for at, hop in enumerate(hops)]
    rig.lane.feed(NOTICE, 0, records, rig.now_ms)


def test_a_copy_that_is_made_twice_is_sent_once() -> None:
    rig = LaneRig(carrier(tps=1000, window=10))
    feed_copies(rig, 1, 1)
    assert len(rig.run(0.1, answers_after_s=0.01)) == 1
    assert sorted(type(outcome).__name__ for outcome in rig.outcomes) == [Duplicate.__name__, SubmitOutcome.__name__]


def test_a_message_that_comes_back_over_another_carrier_is_no_repeat() -> None:
    rig = LaneRig(carrier(tps=1000, window=10))
    feed_copies(rig, 1, 3)
    assert len(rig.run(0.1, answers_after_s=0.01)) == 2
