"""Canonical ids: which receipt finds which submission."""

from __future__ import annotations

import pytest

from smpp.message_ids import receipt_keys, submit_key

FORMS = ("verbatim", "hex", "dec", "auto")


@pytest.mark.parametrize(
    ("form", "response", "receipt"),
    [
        ("verbatim", "Ab-01", "Ab-01"),
        ("hex", "0A1B", "a1b"),
        ("hex", "a1b", "0000000A1B"),
        ("dec", "0000004711", "4711"),
        ("dec", " 4711\0", "4711"),
        ("auto", "4711", "0004711"),
        ("auto", "A1B2C3", "a1b2c3"),
        ("auto", "A1B2C3", "10597059"),  # hex in the response, decimal in the receipt
        ("auto", "0000A1B2C3", "0010597059"),
        ("auto", "10597059", "A1B2C3"),  # the other way round
        ("auto", "0010597059", "00a1b2c3"),
        ("auto", "12345678", "305419896"),  # hex that looks decimal
        ("auto", "305419896", "12345678"),
        ("auto", "100000000000000000005", "1208925819614629174706181"),  # beyond 2^63
        ("auto", "1208925819614629174706181", "100000000000000000005"),
        ("auto", "7d444840-9dc0-11d1-b245-5ffdce74fad2", "7D444840-9DC0-11D1-B245-5FFDCE74FAD2"),
        ("auto", "0", "000"),
    ],
)
def test_a_receipt_finds_its_submission(form: str, response: str, receipt: str) -> None:
    assert submit_key(response, form) in receipt_keys(receipt, form)


@pytest.mark.parametrize(
    ("form", "response", "receipt"),
    [
        ("verbatim", "0A1B", "0a1b"),
        ("verbatim", "4711", "04711"),
        ("hex", "A1B2C3", "10597059"),
        ("dec", "10597059", "A1B2C3"),
        ("auto", "4711", "4712"),
        ("auto", "x10", "16"),
    ],
)
def test_a_receipt_does_not_find_anothers_submission(form: str, response: str, receipt: str) -> None:
    assert submit_key(response, form) not in receipt_keys(receipt, form)


@pytest.mark.parametrize(
    ("receipt", "keys"),
    [
        ("0016", ("16", "10", "22")),
        ("7", ("7",)),
        ("0", ("0",)),
        ("00ff", ("ff", "255")),
        ("X-1", ("x-1",)),
        ("1_0", ("1_0",)),
        ("+10", ("+10",)),
        ("1²", ("1²",)),
    ],
)
def test_the_receipts_own_form_is_looked_for_first_and_nothing_twice(receipt: str, keys: tuple[str, ...]) -> None:
    assert receipt_keys(receipt, "auto") == keys


@pytest.mark.parametrize("form", FORMS)
def test_an_empty_id_matches_nothing(form: str) -> None:
    assert submit_key("", form) == ""
    assert receipt_keys("", form) == ()
    if form != "verbatim":
        assert (submit_key(" \0", form), receipt_keys(" \0", form)) == ("", ())


@pytest.mark.parametrize("form", FORMS)
def test_an_absurdly_long_id_is_cut_and_not_converted(form: str) -> None:
    absurd = "9" * 1_000_000
    assert receipt_keys(absurd, form) == (submit_key(absurd, form),)
    assert len(submit_key(absurd, form)) <= 65


def test_verbatim_keys_are_marked_so_that_they_are_never_taken_for_others() -> None:
    assert submit_key("00Ab ", "verbatim") == "=00Ab "
