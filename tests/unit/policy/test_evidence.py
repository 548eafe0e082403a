"""Which receipts tell that a message in doubt was sent: those that nothing else can have caused."""

from __future__ import annotations

from policy.evidence import LONGEST_MS, Doubt, Unclaimed, settled_by

AT = 1_790_000_000_000


def doubt(id: bytes = b"a", check: int = 7, carrier: str = "alpha", at_ms: int = AT, waits: bool = True) -> Doubt:
    return Doubt(id, carrier, check, at_ms, waits)


def receipt(check: int = 7, carrier: str = "alpha", at_ms: int = AT + 1_000) -> Unclaimed:
    return Unclaimed(carrier, check, at_ms, "alpha/0/1")


def test_a_receipt_that_fits_one_doubt_settles_it() -> None:
    assert settled_by([doubt(), doubt(b"b", check=8)], [receipt()]) == {b"a": "alpha/0/1"}


def test_one_that_fits_two_settles_none_even_if_only_one_of_them_waits() -> None:
    assert settled_by([doubt(), doubt(b"b")], [receipt()]) == {}
    assert settled_by([doubt(), doubt(b"b", waits=False)], [receipt()]) == {}


def test_two_doubts_of_one_message_are_one() -> None:
    assert settled_by([doubt(), doubt(at_ms=AT + 500)], [receipt()]) == {b"a": "alpha/0/1"}


def test_carrier_destination_and_time_must_fit() -> None:
    for other in (
        receipt(carrier="beta"),
        receipt(check=8),
        receipt(check=0),
        receipt(at_ms=AT - 120_000),
        receipt(at_ms=AT + LONGEST_MS + 1),
    ):
        assert settled_by([doubt()], [other]) == {}


def test_what_does_not_wait_is_not_settled() -> None:
    assert settled_by([doubt(waits=False)], [receipt()]) == {}
