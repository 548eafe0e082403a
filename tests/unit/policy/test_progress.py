"""What each record makes of a message: the rules of DESIGN §6 and §7, one by one."""

from __future__ import annotations

import pytest

from policy.outcomes import OUTCOMES
from policy.progress import MOST_HISTORY, Progress, turn_of
from policy.status import (
    PROGRESS_OF_RECEIPT,
    STATUS_OF_RECEIPT,
    ReceiptMode,
    SegmentState,
    Standing,
    code_of_receipt,
    standing_of_segments,
)
from schemas.status import Status
from smpp.states import MessageState
from store import timeline

MODES: dict[str, ReceiptMode] = {"alpha": "each", "first": "first", "last": "last"}


def known(*steps: tuple[object, ...]) -> Progress:
    """Progress after steps: ("queued", at, attempt, hop), ("sent", at, parts…), or a timeline's entry."""
    progress = Progress()
    for step in steps:
        if step[0] == "queued":
            progress.queued(int(step[1]), int(step[2]), int(step[3]), "alpha", 0)  # type: ignore[call-overload]  # numbers
        else:
            progress.event(step)
    return progress


def queued() -> Progress:
    progress = Progress()
    assert progress.queued(1, 1, 0, "alpha", 0)
    return progress


def sent(*parts: str, carrier: str = "alpha") -> Progress:
    progress = queued()
    assert progress.sent(10, 1, 0, carrier, 0, 9, 0, parts or ("a",)) == 0
    return progress


def status(progress: Progress) -> Status:
    return progress.standing(MODES).status


def test_every_receipt_state_has_a_status_and_a_place_in_the_order() -> None:
    assert set(STATUS_OF_RECEIPT) == set(PROGRESS_OF_RECEIPT) == set(MessageState)
    for state in MessageState:
        assert STATUS_OF_RECEIPT[state].is_final == state.is_final
        assert (PROGRESS_OF_RECEIPT[state] == 9) == state.is_final


@pytest.mark.parametrize("state", [state for state in MessageState if state.is_final])
def test_a_final_receipt_ends_the_message(state: MessageState) -> None:
    progress = sent()
    assert progress.receipt(20, 0, 1, state, "", 0)
    standing = progress.standing(MODES)
    assert standing.status == STATUS_OF_RECEIPT[state]
    assert (standing.code is None) == (state == MessageState.DELIVRD)
    assert standing.code is None or standing.code in OUTCOMES


@pytest.mark.parametrize("state", [state for state in MessageState if not state.is_final])
def test_another_receipt_leaves_it_sent(state: MessageState) -> None:
    progress = sent()
    progress.receipt(20, 0, 1, state, "", 0)
    assert status(progress) == Status.SENT


def test_a_late_enroute_changes_nothing() -> None:
    progress = sent()
    progress.receipt(20, 0, 1, MessageState.DELIVRD, "", 0)
    assert not progress.receipt(30, 0, 1, MessageState.ENROUTE, "", 0)
    assert len(progress.entries) == 3


def test_a_second_final_state_is_history() -> None:
    progress = sent()
    progress.receipt(20, 0, 1, MessageState.UNDELIV, "", 0)
    assert progress.receipt(30, 0, 1, MessageState.DELIVRD, "", 0)
    assert status(progress) == Status.UNDELIVERED
    assert progress.entries[-1][:2] == (timeline.RECEIPT, 30)


def test_history_has_an_end() -> None:
    progress = sent()
    for number in range(MOST_HISTORY * 3):
        progress.receipt(20 + number, 0, 1, (MessageState.DELIVRD, MessageState.UNDELIV)[number % 2], "", 0)
    assert len(progress.entries) == MOST_HISTORY
    assert status(progress) == Status.DELIVERED


@pytest.mark.parametrize(
    ("state", "error", "code"),
    [
        (MessageState.UNDELIV, "", "undelivered"),
        (MessageState.UNDELIV, "027", "absent_subscriber"),
        (MessageState.UNDELIV, "3:27", "absent_subscriber"),
        (MessageState.UNDELIV, "1:27", "undelivered"),
        (MessageState.UNDELIV, "001", "invalid_destination"),
        (MessageState.UNDELIV, "13", "blocked_by_carrier"),
        (MessageState.UNDELIV, "vendor says no", "undelivered"),
        (MessageState.UNDELIV, "9" * 400, "undelivered"),
        (MessageState.UNDELIV, "²", "undelivered"),
        (MessageState.EXPIRED, "027", "absent_subscriber"),
        (MessageState.EXPIRED, "001", "validity_expired"),
        (MessageState.REJECTD, "027", "rejected"),
        (MessageState.DELETED, "", "deleted"),
        (MessageState.SKIPPED, "", "undelivered"),
    ],
)
def test_a_receipts_error_becomes_a_code(state: MessageState, error: str, code: str) -> None:
    assert code_of_receipt(state, error) == code
    assert code in OUTCOMES


def segments(**states: int) -> dict[int, SegmentState]:
    return {int(part[1:]): SegmentState(state, "", at) for at, (part, state) in enumerate(states.items())}


DELIVRD, UNDELIV, ENROUTE = MessageState.DELIVRD, MessageState.UNDELIV, MessageState.ENROUTE


@pytest.mark.parametrize(
    ("ids", "states", "mode", "wanted"),
    [
        (("a", "b"), {}, "each", Status.SENT),
        (("a", "b"), segments(p1=DELIVRD), "each", Status.SENT),
        (("a", "b"), segments(p1=DELIVRD, p2=ENROUTE), "each", Status.SENT),
        (("a", "b"), segments(p1=DELIVRD, p2=DELIVRD), "each", Status.DELIVERED),
        (("a", "b"), segments(p1=UNDELIV), "each", Status.UNDELIVERED),
        (("a", "b"), segments(p1=DELIVRD, p2=UNDELIV), "each", Status.UNDELIVERED),
        (("a", ""), segments(p1=DELIVRD), "each", Status.DELIVERED),
        (("", ""), {}, "each", Status.SENT),
        (("a", "b"), segments(p1=DELIVRD), "first", Status.DELIVERED),
        (("a", "b"), segments(p2=DELIVRD), "first", Status.SENT),
        (("a", "b"), segments(p2=UNDELIV), "first", Status.SENT),
        (("a", "b"), segments(p2=DELIVRD), "last", Status.DELIVERED),
        (("a", "b"), segments(p1=DELIVRD), "last", Status.SENT),
        (("a",), segments(p1=DELIVRD), "last", Status.DELIVERED),
    ],
)
def test_a_long_message_is_what_its_segments_are(
    ids: tuple[str, ...], states: dict[int, SegmentState], mode: ReceiptMode, wanted: Status
) -> None:
    assert standing_of_segments(ids, states, mode).status == wanted


def test_the_earliest_failure_of_a_long_message_tells_why() -> None:
    states = {1: SegmentState(UNDELIV, "027", 50), 2: SegmentState(MessageState.REJECTD, "", 40)}
    assert standing_of_segments(("a", "b"), states).code == "rejected"


def test_unknown_is_amended_by_a_late_receipt() -> None:
    progress = sent()
    progress.event((timeline.UNKNOWN, 100))
    assert progress.standing(MODES) == Standing(Status.UNKNOWN, "no_receipt")
    progress.receipt(200, 0, 1, ENROUTE, "", 0)
    assert status(progress) == Status.UNKNOWN
    progress.receipt(300, 0, 1, DELIVRD, "", 0)
    assert status(progress) == Status.DELIVERED


def test_a_refusal_fails_the_message_and_one_to_be_retried_waits() -> None:
    progress = queued()
    progress.sent(10, 1, 0, "alpha", 0, 9, 0, ("",), "invalid_destination", 11)
    assert progress.standing(MODES) == Standing(Status.FAILED, "invalid_destination", 11)
    waiting = queued()
    waiting.sent(10, 1, 0, "alpha", 0, 9, 0, ("",), "carrier_busy", 88, 5_000)
    assert status(waiting) == Status.QUEUED
    assert waiting.due(waiting.standing(MODES)) == (5_000, "retry")
    waiting.queued(5_001, 2, 0, "alpha", 0)
    assert status(waiting) == Status.QUEUED
    waiting.sent(5_010, 2, 0, "alpha", 1, 5_009, 0, ("a",))
    assert status(waiting) == Status.SENT


@pytest.mark.parametrize("wanted", [Status.EXPIRED, Status.CANCELED, Status.BLOCKED])
def test_what_was_not_sent_ends_with_its_code(wanted: Status) -> None:
    progress = queued()
    progress.event((timeline.STOPPED, 5, 1, 0, "alpha", int(wanted), "why"))
    assert progress.standing(MODES) == Standing(wanted, "why")
    progress.event((timeline.STOPPED, 6, 1, 0, "alpha", int(Status.EXPIRED), "other"))
    assert progress.standing(MODES) == Standing(wanted, "why")


def test_a_scheduled_message_is_queued_when_its_time_comes() -> None:
    progress = known((timeline.SCHEDULED, 1, 1, 0, "alpha", 500, 0))
    assert status(progress) == Status.SCHEDULED
    assert progress.due(progress.standing(MODES)) == (500, "scheduled")
    progress.event((timeline.RESCHEDULED, 2, 700, "ops"))
    assert progress.due(progress.standing(MODES)) == (700, "scheduled")
    progress.queued(700, 1, 0, "alpha", 0)
    assert status(progress) == Status.QUEUED
    assert progress.due(progress.standing(MODES)) is None


def test_a_cancellation_stops_what_is_not_in_a_lane_and_leaves_the_rest_to_the_lane() -> None:
    asked = (timeline.CANCEL_ASKED, 3, "shop")
    assert status(known((timeline.SCHEDULED, 1, 1, 0, "alpha", 500, 0), asked)) == Status.CANCELED
    assert status(known(asked)) == Status.CANCELED
    assert status(known(asked, ("queued", 1, 1, 0))) == Status.QUEUED
    progress = sent()
    progress.event(asked)
    assert status(progress) == Status.SENT


def doubts(progress: Progress) -> bool:
    return progress.in_doubt


def doubt(action: str, at_ms: int = 20, attempt: int = 1) -> timeline.Entry:
    return (timeline.IN_DOUBT, at_ms, attempt, 0, "alpha", action, "owner_lost", 900)


def test_a_doubt_lasts_until_an_answer_and_a_resend_is_a_possible_duplicate() -> None:
    progress = queued()
    progress.event(doubt("resending"))
    assert doubts(progress)
    assert progress.duplicate
    assert status(progress) == Status.QUEUED
    progress.sent(30, 1, 0, "alpha", 0, 29, 1, ("a",))
    assert not doubts(progress)
    assert progress.duplicate
    assert not progress.unlisted_repeat()


def test_an_answer_that_came_before_the_doubt_does_not_end_it() -> None:
    progress = queued()
    progress.sent(30, 1, 0, "alpha", 0, 29, 0, ("a",))
    progress.event(doubt("resending", at_ms=60_000))
    assert doubts(progress)


def test_waiting_keeps_the_status_held_holds_and_dropped_ends() -> None:
    for action, wanted in (("waiting", Status.QUEUED), ("held", Status.HELD), ("dropped", Status.FAILED)):
        progress = queued()
        progress.event(doubt(action))
        assert status(progress) == wanted
        assert progress.in_doubt == (action != "dropped")
    assert progress.standing(MODES).code == "dropped_in_doubt"


def test_a_doubt_that_waits_is_due_and_not_once_it_has_ended() -> None:
    progress = queued()
    progress.event(doubt("waiting"))
    assert progress.due(progress.standing(MODES)) == (900, "waiting")
    progress.sent(60_000, 1, 0, "alpha", 0, 59_000, 0, ("",), "carrier_refused", 1)
    assert progress.due(progress.standing(MODES)) is None


@pytest.mark.parametrize(
    ("verdict", "wanted", "due"),
    [("sent", Status.SENT, None), ("drop", Status.FAILED, None), ("resend", Status.QUEUED, (50, "resolved"))],
)
def test_a_decision_about_a_doubt_holds_until_the_message_moves_on(
    verdict: str, wanted: Status, due: tuple[int, str] | None
) -> None:
    progress = queued()
    progress.event((timeline.RESOLVED, 50, verdict, "ops"))
    assert status(progress) == Status.QUEUED
    progress.event(doubt("waiting"))
    assert not doubts(progress)
    standing = progress.standing(MODES)
    assert standing.status == wanted
    assert progress.due(standing) == due
    progress.queued(60, 2, 0, "alpha", 1)
    assert status(progress) == Status.QUEUED
    assert progress.due(progress.standing(MODES)) is None


def test_a_delivery_of_another_copy_outranks_a_failure_but_not_the_other_way_round() -> None:
    for states in ((UNDELIV, DELIVRD), (DELIVRD, UNDELIV)):
        progress = sent("a")
        progress.sent(30, 1, 0, "alpha", 5, 29, 1, ("b",))
        assert progress.receipt(40, 0, 1, states[0], "", 0)
        assert progress.receipt(50, 1, 1, states[1], "", 0)
        assert status(progress) == Status.DELIVERED


def test_a_failure_waits_while_another_copy_is_open() -> None:
    progress = sent("a")
    progress.sent(30, 1, 0, "alpha", 5, 29, 1, ("b",))
    progress.receipt(40, 0, 1, UNDELIV, "", 0)
    assert status(progress) == Status.SENT
    progress.receipt(50, 1, 1, MessageState.EXPIRED, "", 0)
    assert status(progress) == Status.EXPIRED


def test_a_repeat_that_nobody_listed_is_told_from_one_that_was_decided() -> None:
    unlisted = sent("a")
    unlisted.sent(30, 1, 0, "alpha", 5, 29, 0, ("b",))
    assert unlisted.unlisted_repeat()
    retried = sent("a")
    retried.receipt(20, 0, 1, UNDELIV, "", 0)
    retried.sent(40, 2, 0, "alpha", 5, 39, 0, ("b",))
    assert not retried.unlisted_repeat()
    twice = queued()
    twice.event(doubt("resending"))
    for number in range(3):
        twice.sent(30 + number, 1, 0, "alpha", number, 29 + number, 1, ("b",))
    assert twice.unlisted_repeat()


def test_a_record_that_stands_twice_is_known() -> None:
    progress = sent("a")
    assert progress.sent(10, 1, 0, "alpha", 0, 9, 0, ("a",)) == ~0
    assert not progress.queued(1, 1, 0, "alpha", 0)
    assert progress.event(doubt("resending"))
    assert not progress.event(doubt("resending"))
    assert progress.receipt(20, 0, 1, DELIVRD, "", 0)
    assert not progress.receipt(20, 0, 1, DELIVRD, "", 0)
    assert len(progress.entries) == 4


def test_what_was_written_is_read_back_the_same() -> None:
    progress = sent("a", "b")
    progress.event(doubt("waiting"))
    progress.sent(30, 2, 0, "alpha", 5, 29, 1, ("",), "carrier_busy", 88, 77)
    progress.receipt(40, 0, 2, DELIVRD, "001", 39)
    progress.receipt(41, 0, 2, UNDELIV, "001", 39)
    again = Progress(timeline.unpack(timeline.pack(progress.entries), len(progress.entries)))
    assert again.fresh == []
    assert again.standing(MODES) == progress.standing(MODES)
    assert (again.turn, again.filled, again.updated_ms) == (turn_of(2, 0), progress.filled, 41)
    assert [send.states for send in again.sends] == [send.states for send in progress.sends]


def test_the_row_is_filled_from_the_newest_turn_and_of_repeats_from_the_first() -> None:
    progress = Progress()
    assert progress.queued(50, 1, 0, "beta", 0)
    assert progress.queued(40, 1, 0, "alpha", 0)
    assert not progress.queued(60, 1, 0, "alpha", 0)
    assert progress.queued(90, 1, 1, "beta", 0)
    assert not progress.queued(30, 1, 0, "alpha", 0)
    assert progress.filled == (turn_of(1, 1), 20, -90, "beta")
