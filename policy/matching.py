"""Which submission a receipt speaks of: carriers reuse ids, write them in two forms, and answer on sibling binds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple, TypeVar

CLOCK_SKEW_MS: Final = 5_000
"""How much later than its receipt a submission may seem to be: two lanes on two machines have two clocks."""

T = TypeVar("T")


class Candidate(NamedTuple):
    """A submission under one of the receipt's keys. `rank`: which key, 0 is the receipt's own form."""

    rank: int
    check: int
    submitted_ms: int
    is_final: bool
    """Its segment has a final receipt already."""


def acceptable(candidate: Candidate, check: int) -> bool:
    """An id read in another form (hex for decimal) may be another message's: then the destination must agree."""
    return candidate.rank == 0 or candidate.check == check


def is_certain(candidate: Candidate, at_ms: int, check: int) -> bool:
    """No other submission could fit better, short of a reused id with the same destination bits."""
    return (
        candidate.rank == 0
        and not candidate.is_final
        and candidate.submitted_ms <= at_ms + CLOCK_SKEW_MS
        and (not check or candidate.check == check)
    )


def choose(candidates: Iterable[tuple[Candidate, T]], at_ms: int, check: int) -> T | None:
    """The submission that a receipt of `at_ms` with these destination bits (0: unknown) belongs to; None for none.

    In this order: the receipt's own form of the id, submitted before the receipt, the same destination bits, no final
    receipt yet, the newest.
    """
    best: tuple[int, ...] | None = None
    chosen: T | None = None
    for candidate, what in candidates:
        if not acceptable(candidate, check):
            continue
        merit = (
            -candidate.rank,
            candidate.submitted_ms <= at_ms + CLOCK_SKEW_MS,
            not check or candidate.check == check,
            not candidate.is_final,
            candidate.submitted_ms,
        )
        if best is None or merit > best:
            best, chosen = merit, what
    return chosen
