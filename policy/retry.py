"""Whether a message that failed is tried again, when, and where: a pure decision with a table behind it (DESIGN §7).

The first temporary refusal is tried again at once on its lane (dispatcher.lane); what this decides is what comes after: later,
by the scheduler, with backoff and jitter, here or on another carrier, or not at all.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from policy.outcomes import OUTCOMES
from schemas.classes import MARKETING, NOTICE, OTP

DELAYS_S: Final[dict[int, tuple[float, ...]]] = {
    OTP: (2, 5, 10, 20),
    NOTICE: (30, 120, 600, 1800),
    MARKETING: (60, 300, 1800, 7200),
}
"""Seconds after the first, second … failed attempt, by class; past the last one it is given up."""
JITTER: Final = 0.2
_ELSEWHERE_AT_ONCE: Final = frozenset({"not_allowed", "no_credit"})
"""What another try at the same carrier can't mend soon."""


class Retry(NamedTuple):
    """Send again at `at_ms` (Unix milliseconds) as the next attempt."""

    at_ms: int
    elsewhere: bool


def next_attempt(
    code: str, cls: int, attempt: int, now_ms: int, expires_ms: int, luck: float, *, temporary: bool | None = None
) -> Retry | None:
    """The retry after attempt number `attempt` failed with `code` of policy.outcomes; None: it is final.

    `luck`: from 0 to 1, spreads the retries by ± JITTER. `temporary`: what the carrier's own table says, where it has a say.
    """
    known = OUTCOMES.get(code)
    worth_it = temporary if temporary is not None else known is not None and known.retryable
    delays = DELAYS_S[cls]
    if not worth_it or attempt > len(delays):
        return None
    delay_ms = delays[attempt - 1] * 1000 * (1 - JITTER + 2 * JITTER * luck)
    at_ms = now_ms + round(delay_ms)
    if at_ms >= expires_ms:
        return None
    return Retry(at_ms, goes_elsewhere(code, attempt))


def goes_elsewhere(code: str, attempt: int) -> bool:
    """Whether the attempt after number `attempt`, which failed with `code`, should try another carrier of the route."""
    return code in _ELSEWHERE_AT_ONCE or attempt >= 2
