"""What becomes of a message whose time has come: each release is a turn that nobody used before."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from policy.gate import Facts
from policy.release import LOOK_AGAIN_MS, Later, Over, Reason, Release, release
from schemas.records import MtMessage

NOW_MS = 1_790_000_000_000
MESSAGE = MtMessage(
    b"i" * 16, "shop", 0, "alpha", b"", b"", NOW_MS, NOW_MS + 60_000, 1, 0, 0, 3, 0, "USD", batch=b"b" * 16, tried=("beta",)
)  # fmt: skip


def facts(**changes: object) -> Facts:
    made = Facts(**changes)  # type: ignore[arg-type]  # tests name the fields
    made.settle()
    return made


@pytest.mark.parametrize(
    ("reason", "turn", "doubled"),
    [
        ("scheduled", (1, 1), False),
        ("deferred", (1, 1), False),
        ("retry", (2, 0), False),
        ("waiting", (2, 0), True),
        ("resolved", (2, 0), True),
    ],
)
def test_what_was_not_sent_takes_a_hop_and_what_was_an_attempt(
    reason: Reason, turn: tuple[int, int], doubled: bool
) -> None:
    found = release(MESSAGE, reason, 1, 0, False, facts(), NOW_MS)
    assert isinstance(found, Release)
    message = found.message
    assert ((message.attempt, message.hop), message.possible_duplicate) == (turn, doubled)
    assert found.elsewhere is False


def test_a_turn_follows_the_newest_that_is_known_not_the_records_own() -> None:
    found = release(replace(MESSAGE, attempt=2, hop=3), "deferred", 2, 5, False, facts(), NOW_MS)
    assert isinstance(found, Release)
    assert (found.message.attempt, found.message.hop) == (2, 6)


def test_a_retry_on_the_same_carrier_may_fail_over_anew_and_one_elsewhere_remembers() -> None:
    same = release(MESSAGE, "retry", 1, 0, False, facts(), NOW_MS)
    other = release(MESSAGE, "retry", 1, 0, True, facts(), NOW_MS)
    assert isinstance(same, Release)
    assert isinstance(other, Release)
    assert (same.message.tried, other.message.tried, other.elsewhere) == ((), ("beta",), True)


def test_what_the_gate_drops_is_over_as_the_turn_that_it_would_have_been() -> None:
    late = NOW_MS + 60_000
    assert release(MESSAGE, "retry", 1, 0, False, facts(), late) == Over("expired", 2, 0)
    canceled = facts(canceled={(MESSAGE.id, "shop")})
    assert release(MESSAGE, "scheduled", 1, 0, False, canceled, NOW_MS) == Over("canceled", 1, 1)
    assert release(MESSAGE, "scheduled", 1, 0, False, facts(suspended={"shop"}), NOW_MS) == Over(
        "account_suspended", 1, 1
    )


def test_a_paused_batch_is_looked_at_again() -> None:
    paused = facts(batches={(b"b" * 16, "shop"): "paused"})
    assert release(MESSAGE, "deferred", 1, 0, False, paused, NOW_MS) == Later(NOW_MS + LOOK_AGAIN_MS)
