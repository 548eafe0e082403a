"""Which submission a receipt belongs to when several could be meant."""

from __future__ import annotations

from policy.matching import CLOCK_SKEW_MS, Candidate, choose

AT = 1_000_000


def candidate(rank: int = 0, check: int = 7, before_ms: int = 1000, is_final: bool = False) -> Candidate:
    return Candidate(rank, check, AT - before_ms, is_final)


def chosen(*candidates: Candidate, check: int = 7) -> int | None:
    return choose([(one, number) for number, one in enumerate(candidates)], AT, check)


def test_without_a_candidate_there_is_no_choice() -> None:
    assert chosen() is None


def test_of_a_reused_id_the_newest_submission_without_a_final_receipt_is_meant() -> None:
    assert chosen(candidate(before_ms=90_000), candidate(before_ms=1000)) == 1
    assert chosen(candidate(before_ms=90_000), candidate(before_ms=1000, is_final=True)) == 0


def test_when_all_have_theirs_it_is_a_repeat_for_the_newest() -> None:
    assert chosen(candidate(before_ms=90_000, is_final=True), candidate(before_ms=1000, is_final=True)) == 1


def test_the_destination_tells_apart_what_the_id_does_not() -> None:
    assert chosen(candidate(check=7, is_final=True), candidate(check=8)) == 0
    assert chosen(candidate(check=8)) == 0, "a destination written otherwise is no proof against the id"
    assert chosen(candidate(check=9), candidate(check=8, before_ms=50), check=0) == 1


def test_an_id_in_another_form_counts_only_with_the_same_destination() -> None:
    assert chosen(candidate(rank=1, check=8)) is None
    assert chosen(candidate(rank=1, check=8), check=0) is None
    assert chosen(candidate(rank=1)) == 0
    assert chosen(candidate(rank=1, before_ms=10), candidate(rank=0, before_ms=90_000)) == 1


def test_what_was_submitted_after_the_receipt_is_the_last_choice() -> None:
    later = candidate(before_ms=-CLOCK_SKEW_MS - 1)
    assert chosen(candidate(before_ms=500, is_final=True), later) == 0
    assert chosen(later) == 0
    assert chosen(candidate(before_ms=500), candidate(before_ms=-CLOCK_SKEW_MS)) == 1
