"""Evidence that a message in doubt was sent: a receipt that nobody else can have caused (DESIGN §5).

It fits a doubt by carrier, by the bits of its destination and by time; no submission claims it; and it fits no other doubt.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from policy.matching import CLOCK_SKEW_MS

LONGEST_MS: Final = 3 * 86_400_000
"""A receipt that comes later than this after a doubt tells nothing of it."""


class Doubt(NamedTuple):
    """A message that may have been sent at about `at_ms`."""

    id: bytes
    carrier: str
    check: int
    at_ms: int
    waits: bool
    """It waits for evidence; others only make a receipt ambiguous."""


class Unclaimed(NamedTuple):
    """A receipt that no submission claims. `name`: for the audit log."""

    carrier: str
    check: int
    at_ms: int
    name: str


def settled_by(doubts: Sequence[Doubt], receipts: Iterable[Unclaimed]) -> dict[bytes, str]:
    """The waiting messages that were sent, and the receipt that tells; each receipt speaks for one message, or for none."""
    found: dict[bytes, str] = {}
    for receipt in receipts:
        if not receipt.check:
            continue
        fits = {doubt.id: doubt for doubt in doubts if _fits(doubt, receipt)}
        if len(fits) == 1:
            (doubt,) = fits.values()
            if doubt.waits:
                found.setdefault(doubt.id, receipt.name)
    return found


def _fits(doubt: Doubt, receipt: Unclaimed) -> bool:
    return (
        doubt.carrier == receipt.carrier
        and doubt.check == receipt.check
        and doubt.at_ms - CLOCK_SKEW_MS - 60_000 <= receipt.at_ms <= doubt.at_ms + LONGEST_MS
    )
