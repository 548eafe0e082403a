"""Receipts: what the corpus does not show."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from smpp.receipt import ParsedReceipt, date_text, done_ms, looks_like_receipt, parse, render
from smpp.states import MessageState

BERLIN = ZoneInfo("Europe/Berlin")
NOON_MS = 1_732_276_800_000  # 2024-11-22T12:00:00Z


@pytest.mark.parametrize("state", MessageState)
def test_what_we_render_we_read(state: MessageState) -> None:
    octets = render("0A1B", state, "2411221200", "2411221201", "034", "Hello stat:DELIVRD id:1 and more")
    assert parse(octets, {}) == ParsedReceipt("0A1B", state, "034", "2411221200", "2411221201", True)
    assert looks_like_receipt(octets)


def test_the_rendered_form_is_that_of_the_appendix() -> None:
    assert render("42", MessageState.DELIVRD, "2411221200", "2411221201", text="x" * 30) == (
        b"id:42 sub:001 dlvrd:001 submit date:2411221200 done date:2411221201 stat:DELIVRD err:000 text:" + b"x" * 20
    )
    assert b"dlvrd:000" in render("42", MessageState.EXPIRED, "2411221200", "2411221201")


@pytest.mark.parametrize(
    ("date", "millis"),
    [
        ("2411221200", NOON_MS),
        ("241122120005", NOON_MS + 5000),
        ("202411221200", NOON_MS),
        ("20241122120005", NOON_MS + 5000),
        ("24-11-22 12:00", NOON_MS),
        ("2024-11-22T12:00:05", NOON_MS + 5000),
        ("2402291200", 1_709_208_000_000),
        ("200101123045", 1_577_881_845_000),  # 2020-01-01, not the year 2001
    ],
)
def test_the_four_forms_of_dates_are_read(date: str, millis: int) -> None:
    assert done_ms(date, UTC) == millis


@pytest.mark.parametrize(
    "date",
    [
        "",
        "0",
        "0000000000",
        "2413011200",
        "2302291200",
        "2411222460",
        "241122120061",
        "24112212",
        "24112212000",
        "2411221200000",
        "yesterday!",
        "٢٤١١٢٢١٢٠٠",
        "2024-11-22T12:00:05Z",
        "00000101000000",
        "00010101000000",
        "99999999999999",
        "+411221200",
        "2411221200" * 10,
    ],
)
def test_a_date_that_is_none_gives_0(date: str) -> None:
    assert done_ms(date, UTC) == 0
    assert done_ms(date, ZoneInfo("Asia/Shanghai")) == 0


def test_dates_are_in_the_carriers_zone() -> None:
    assert done_ms("2411221300", BERLIN) == NOON_MS
    assert done_ms("2407221400", BERLIN) == done_ms("2407221200", UTC)


def test_a_repeated_hour_means_its_first_time_and_a_skipped_one_does_not_fail() -> None:
    assert done_ms("2410270230", BERLIN) == done_ms("2410270030", UTC)
    assert done_ms("2403310230", BERLIN) == done_ms("2403310130", UTC)


def test_dates_are_written_in_the_zone_asked_for() -> None:
    assert date_text(NOON_MS) == "2411221200"
    assert date_text(NOON_MS, BERLIN) == "2411221300"


def test_a_text_already_decoded_is_read_too() -> None:
    receipt = parse("id:42 stat:UNDELIV err:Ошибка text:Привет", {})
    assert receipt == ParsedReceipt("42", MessageState.UNDELIV, "Ошибка", "", "", True)


@pytest.mark.parametrize(
    ("stat", "state"),
    [
        ("DELIVRD Hello there", MessageState.DELIVRD),
        ("SCHEDULD", MessageState.SCHEDULED),
        ("not delivered", MessageState.UNDELIV),
        ("en-route", MessageState.ENROUTE),
        ("Delivered to SMSC", None),
        ("Delivery pending", None),
        ("OK", None),
        ("1", None),
    ],
)
def test_a_state_is_never_guessed_from_a_sentence(stat: str, state: MessageState | None) -> None:
    receipt = parse(f"id:42 stat:{stat}", {})
    assert receipt is not None
    assert (receipt.state, receipt.complete) == (state, state is not None)


def test_sizes_are_bounded() -> None:
    receipt = parse(b"id:" + b"9" * 60_000 + b" stat:DELIVRD", {0x1E: b"7" * 60_000})
    assert receipt is not None
    assert len(receipt.message_id) == 255
    receipt = parse(b"stat:DELIVRD err:" + b"e" * 1000 + b" done date:" + b"1" * 500, {})
    assert receipt is not None
    assert (len(receipt.error), len(receipt.done_date)) == (64, 32)


@pytest.mark.parametrize(
    "text",
    [
        "id:5",
        "stat:DELIVRD",
        "id:5 stat:DELIVRD",
        "my id: 5 and the status: fine",
        "Grid:1 instat:2 sub:3",
        "",
    ],
)
def test_a_subscribers_text_does_not_look_like_a_receipt(text: str) -> None:
    assert not looks_like_receipt(text)
    assert not looks_like_receipt(text.encode())
