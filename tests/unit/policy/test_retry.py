"""What is tried again, when and where."""

from __future__ import annotations

import pytest

from policy.outcomes import OUTCOMES
from policy.retry import DELAYS_S, JITTER, Retry, next_attempt
from schemas.classes import MARKETING, NOTICE, OTP

NOW = 1_790_000_000_000
LATER = NOW + 86_400_000


def test_a_permanent_code_is_final() -> None:
    assert next_attempt("invalid_destination", OTP, 1, NOW, LATER, 0.5) is None


def test_a_temporary_one_waits_the_delay_of_its_class() -> None:
    assert next_attempt("carrier_error", OTP, 1, NOW, LATER, 0.5) == Retry(NOW + 2000, False)
    assert next_attempt("carrier_error", NOTICE, 1, NOW, LATER, 0.5) == Retry(NOW + 30_000, False)
    assert next_attempt("carrier_error", MARKETING, 2, NOW, LATER, 0.5) == Retry(NOW + 300_000, True)


@pytest.mark.parametrize("luck", [0.0, 0.25, 0.999])
def test_jitter_stays_within_its_bounds(luck: float) -> None:
    retry = next_attempt("carrier_error", NOTICE, 1, NOW, LATER, luck)
    assert retry is not None
    assert 30_000 * (1 - JITTER) <= retry.at_ms - NOW <= 30_000 * (1 + JITTER)


@pytest.mark.parametrize("cls", [OTP, NOTICE, MARKETING])
def test_attempts_come_to_an_end(cls: int) -> None:
    most = len(DELAYS_S[cls])
    assert next_attempt("carrier_error", cls, most, NOW, NOW + 10**9, 0.5) is not None
    assert next_attempt("carrier_error", cls, most + 1, NOW, NOW + 10**9, 0.5) is None


def test_no_retry_after_the_time_to_live() -> None:
    assert next_attempt("carrier_error", OTP, 1, NOW, NOW + 1999, 0.5) is None
    assert next_attempt("carrier_error", OTP, 1, NOW, NOW + 2001, 0.5) is not None


def test_what_the_carrier_can_not_mend_goes_elsewhere_at_once() -> None:
    retry = next_attempt("no_credit", OTP, 1, NOW, LATER, 0.5)
    assert retry is not None
    assert retry.elsewhere


def test_the_carriers_own_table_outranks_ours() -> None:
    assert next_attempt("blocked_by_carrier", OTP, 1, NOW, LATER, 0.5, temporary=True) is not None
    assert next_attempt("carrier_error", OTP, 1, NOW, LATER, 0.5, temporary=False) is None


def test_every_code_has_a_decision() -> None:
    for code in OUTCOMES:
        retry = next_attempt(code, OTP, 1, NOW, LATER, 0.5)
        assert (retry is not None) == OUTCOMES[code].retryable
