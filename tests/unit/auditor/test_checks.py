"""Books that agree pass; each fault, planted alone, is found under its name and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.auditor.books import Books


@pytest.fixture
def books(tmp_path: Path) -> Books:
    made = Books(tmp_path)
    made.message("aaaa0001")
    made.message("aaaa0002", "8613800000002")
    return made


def test_books_that_agree_pass(books: Books) -> None:
    verdict = books.verdict(require_final=True)
    assert verdict.ok
    assert verdict.offenders == {}
    expected = {
        "accepted": 2,
        "submitted": 2,
        "distinct_submitted": 2,
        "delivered": 2,
        "receipts_acked": 2,
        "repeats": 0,
    }
    assert expected.items() <= verdict.counts.items()


def test_a_long_message_is_one_message(books: Books) -> None:
    books.accept("bbbb0001", "8613800000003")
    ids = [books.part("bbbb0001", number, 3, to="8613800000003") for number in (1, 2, 3)]
    for given in ids:
        books.receipt(given, "8613800000003")
    books.row("bbbb0001", "delivered", ids)
    verdict = books.verdict()
    assert verdict.ok
    assert verdict.counts["distinct_submitted"] == 3
    assert verdict.counts["segments_submitted"] == 5


def test_segments_are_told_apart_when_a_reference_is_used_again(books: Books) -> None:
    for nonce in ("bbbb0001", "bbbb0002"):
        books.accept(nonce)
        ids = [books.part(nonce, number, 2) for number in (1, 2)]
        for given in ids:
            books.receipt(given)
        books.row(nonce, "delivered", ids)
    assert books.faults() == {}


def test_segments_ahead_of_their_first_one_are_joined_later(books: Books) -> None:
    books.accept("bbbb0001")
    ids = [books.part("bbbb0001", number, 2) for number in (2, 1)]
    for given in ids:
        books.receipt(given)
    books.row("bbbb0001", "delivered", ids)
    assert books.faults() == {}


def test_a_message_without_a_row_is_lost(books: Books) -> None:
    books.accept("cccc0001")
    verdict = books.verdict()
    assert verdict.faults["lost"] == 1
    assert verdict.offenders["lost"] == [("8613800000001 cccc0001", "no row")]


@pytest.mark.parametrize("status", ["queued", "sent", "delivered"])
def test_a_message_that_no_carrier_got_is_lost_whatever_its_row_says(books: Books, status: str) -> None:
    books.accept("cccc0001")
    books.row("cccc0001", status)
    assert books.faults()["lost"] == 1


@pytest.mark.parametrize("status", ["failed", "expired", "blocked", "canceled", "held", "scheduled"])
def test_a_message_that_is_accounted_for_is_not_lost(books: Books, status: str) -> None:
    books.accept("cccc0001")
    books.row("cccc0001", status)
    assert books.faults() == {}


def test_a_message_in_doubt_is_accounted_for(books: Books) -> None:
    books.accept("cccc0001")
    books.row("cccc0001", "queued", doubt=True)
    assert books.faults() == {}


def test_a_long_message_without_its_last_segment_is_lost(books: Books) -> None:
    books.accept("cccc0001")
    given = books.part("cccc0001", 1, 2)
    books.row("cccc0001", "sent", [given])
    verdict = books.verdict()
    assert verdict.offenders["lost"] == [("8613800000001 cccc0001", "row says sent, carriers got 1 of 2 segments")]


def test_a_refused_submit_is_no_submit(books: Books) -> None:
    books.accept("cccc0001")
    books.submit("cccc0001", status=0x58)
    books.row("cccc0001", "queued")
    assert books.faults() == {"lost": 1}


def test_a_repeat_that_is_marked_is_listed(books: Books) -> None:
    books.accept("dddd0001")
    first = books.submit("dddd0001", status=-1)
    second = books.submit("dddd0001")
    for given in (first, second):
        books.receipt(given)
    books.row("dddd0001", "delivered", [second], duplicate=True)
    verdict = books.verdict()
    assert verdict.ok
    assert verdict.counts["repeats"] == 1


def test_a_repeat_that_is_not_marked_is_a_fault(books: Books) -> None:
    books.accept("dddd0001")
    ids = [books.submit("dddd0001"), books.submit("dddd0001")]
    for given in ids:
        books.receipt(given)
    books.row("dddd0001", "delivered", ids)
    assert books.faults() == {"unlisted_repeats": 1}


def test_a_retry_after_a_failure_is_no_repeat(books: Books) -> None:
    books.accept("dddd0001")
    first = books.submit("dddd0001")
    books.receipt(first, state="UNDELIV")
    second = books.submit("dddd0001")
    books.receipt(second)
    books.row("dddd0001", "delivered", [first, second])
    verdict = books.verdict()
    assert verdict.ok
    assert verdict.counts["repeats"] == 0


def test_a_submit_that_nobody_asked_for_is_a_stranger(books: Books) -> None:
    books.submit("eeee0001")
    books.submit("", text=b"no nonce at all!")
    assert books.faults() == {"strangers": 2}


def test_what_was_never_answered_may_have_been_submitted(books: Books) -> None:
    books.accept("eeee0001", id=None)
    books.submit("eeee0001")
    verdict = books.verdict()
    assert verdict.ok
    assert verdict.counts["unanswered"] == 1


def test_a_repeat_of_what_was_never_answered_is_found_by_the_ids_of_its_row(books: Books) -> None:
    books.accept("eeee0001", id=None)
    ids = [books.submit("eeee0001"), books.submit("eeee0001")]
    books.row("other", "sent", ids)
    assert books.faults() == {"unlisted_repeats": 1}
    books.rows.pop()
    books.row("other", "sent", ids, duplicate=True)
    assert books.faults() == {}


def test_an_id_that_was_given_to_two_messages_is_a_fault(books: Books) -> None:
    books.accept("ffff0001", id="id-aaaa0001")
    books.submit("ffff0001")
    assert "ids_given_twice" in books.faults()


def test_delivered_without_a_receipt_is_a_fault(books: Books) -> None:
    books.accept("gggg0001")
    given = books.submit("gggg0001")
    books.receipt(given, acked=False)
    books.row("gggg0001", "delivered", [given])
    assert books.faults() == {"delivered_without_receipt": 1}


def test_a_delivery_that_the_row_denies_is_a_fault(books: Books) -> None:
    books.accept("gggg0001")
    given = books.submit("gggg0001")
    books.receipt(given)
    books.row("gggg0001", "undelivered", [given])
    assert books.faults() == {"delivered_not_told": 1}


def test_an_acknowledged_receipt_that_the_row_does_not_know_is_lost(books: Books) -> None:
    books.accept("hhhh0001")
    given = books.submit("hhhh0001")
    books.receipt(given)
    books.row("hhhh0001", "sent", [given])
    assert books.faults() == {"receipts_lost": 1}


def test_a_long_message_waits_for_the_receipts_that_its_carrier_sends(books: Books) -> None:
    books.accept("hhhh0001")
    ids = [books.part("hhhh0001", number, 2) for number in (1, 2)]
    books.receipt(ids[0])
    books.row("hhhh0001", "sent", ids)
    assert books.faults() == {}
    assert books.faults(receipts="first") == {"receipts_lost": 1}


def test_an_id_that_no_carrier_gave_is_a_fault(books: Books) -> None:
    books.accept("iiii0001")
    given = books.submit("iiii0001")
    books.receipt(given)
    books.row("iiii0001", "delivered", [given, "made-up"])
    assert books.faults() == {"strange_ids": 1}


def test_an_answer_that_left_no_trace_is_a_fault(books: Books) -> None:
    books.accept("jjjj0001")
    books.submit("jjjj0001")
    books.row("jjjj0001", "failed")
    assert books.faults() == {"outcomes_lost": 1}


def test_what_is_not_over_is_a_fault_only_when_it_should_be(books: Books) -> None:
    books.accept("kkkk0001")
    given = books.submit("kkkk0001")
    books.row("kkkk0001", "sent", [given])
    assert books.faults() == {}
    assert books.faults(require_final=True) == {"not_final": 1}


def test_only_the_first_twenty_offenders_are_shown(books: Books) -> None:
    for number in range(30):
        books.accept(f"llll{number:04d}")
    verdict = books.verdict()
    assert verdict.faults["lost"] == 30
    assert len(verdict.offenders["lost"]) == 20


@pytest.mark.parametrize(
    ("given", "told"), [("2748", "abc"), ("ABC", "abc"), ("00abc", "2748"), ("000123", "123"), ("ff", "255")]
)
def test_a_receipt_is_matched_whatever_form_its_id_has(books: Books, given: str, told: str) -> None:
    books.accept("mmmm0001")
    books.submit("mmmm0001", id=given)
    books.receipt(told)
    books.row("mmmm0001", "sent", [given])
    assert books.faults() == {"receipts_lost": 1}
