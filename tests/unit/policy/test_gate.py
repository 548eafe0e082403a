"""The gate: one decision from a message, the facts and the time."""

from __future__ import annotations

import msgspec
import pytest

from policy.gate import GO, Defer, Drop, Facts, gate
from policy.outcomes import OUTCOMES
from schemas.records import MtMessage

NOW_MS = 1_790_000_000_000
MESSAGE = MtMessage(
    b"i" * 16, "shop", 0, "alpha", b"", b"", NOW_MS, NOW_MS + 1000, 1, 0, 0, 3, 0, "USD", batch=b"b" * 16
)
BATCH, OTHER = (b"b" * 16, "shop"), (b"c" * 16, "shop")


def facts(**changes: object) -> Facts:
    made = Facts(**changes)  # type: ignore[arg-type]  # tests name the fields
    made.settle()
    return made


def test_nothing_against_it() -> None:
    assert gate(MESSAGE, facts(), NOW_MS) is GO
    assert (
        gate(MESSAGE, facts(canceled={(b"x" * 16, "shop")}, suspended={"bank"}, batches={OTHER: "paused"}), NOW_MS)
        is GO
    )


def test_a_message_lives_until_its_time_is_over() -> None:
    assert gate(MESSAGE, facts(), NOW_MS + 999) is GO
    assert gate(MESSAGE, facts(), NOW_MS + 1000) == Drop("expired")


@pytest.mark.parametrize(
    ("known", "decision"),
    [
        (facts(canceled={(MESSAGE.id, "shop")}), Drop("canceled")),
        (facts(suspended={"shop"}), Drop("account_suspended")),
        (facts(batches={BATCH: "canceled"}), Drop("batch_canceled")),
        (facts(batches={BATCH: "paused"}), Defer(0, "batch_paused")),
    ],
)
def test_each_fact_has_its_decision(known: Facts, decision: object) -> None:
    assert not known.quiet
    assert gate(MESSAGE, known, NOW_MS) == decision


def test_the_word_of_another_account_does_not_count() -> None:
    known = facts(canceled={(MESSAGE.id, "bank")}, batches={(b"b" * 16, "bank"): "canceled"})
    assert gate(MESSAGE, known, NOW_MS) is GO


def test_what_is_final_outranks_what_is_not() -> None:
    everything = facts(canceled={(MESSAGE.id, "shop")}, suspended={"shop"}, batches={BATCH: "paused"})
    assert gate(MESSAGE, everything, NOW_MS + 1000) == Drop("expired")
    assert gate(MESSAGE, everything, NOW_MS) == Drop("canceled")
    assert gate(MESSAGE, facts(suspended={"shop"}, batches={BATCH: "paused"}), NOW_MS) == Drop("account_suspended")


def test_a_message_without_a_batch_has_none() -> None:
    alone = msgspec.structs.replace(MESSAGE, batch=None)
    assert gate(alone, facts(batches={BATCH: "canceled"}), NOW_MS) is GO


def test_facts_are_quiet_again_when_the_last_is_gone() -> None:
    known = facts(canceled={(b"x" * 16, "shop")})
    known.canceled.clear()
    known.settle()
    assert known.quiet


def test_every_code_of_a_drop_is_an_outcome() -> None:
    for code in ("expired", "canceled", "account_suspended", "batch_canceled"):
        assert code in OUTCOMES
