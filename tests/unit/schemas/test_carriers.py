"""Carriers, routes and inbound numbers as values: what they allow, and what they refuse with which words."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.carriers import MAX_EXPOSURE, Carrier, CarrierBook, ErrorRule, Inbound, InDoubtPolicies, Route
from schemas.classes import MARKETING, NOTICE, OTP

LEAN: dict[str, Any] = {"name": "alpha", "host": "h", "port": 2775, "system_id": "s", "tps": 10}


def carrier(**changes: Any) -> Carrier:
    return Carrier.model_validate({**LEAN, **changes})


def refusal(**changes: Any) -> str:
    with pytest.raises(ValidationError) as told:
        carrier(**changes)
    return "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in told.value.errors())


def test_a_lean_carrier_has_the_defaults_of_the_contract() -> None:
    lean = carrier()
    assert (lean.lanes, lean.partitions, lean.window, lean.exposure_limit) == (1, 12, 10, 10)
    assert (lean.bind_mode, lean.long_message, lean.message_id_form, lean.receipts) == (
        "transceiver",
        "udh8",
        "auto",
        "each",
    )
    assert lean.in_doubt.by_class == ("resend", "resend", "wait")
    assert lean.busy_status == 0x64
    assert (lean.price_micros, lean.currency, lean.test) == (0, "USD", False)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "Alpha"),
        ("name", "a.b"),  # a dot would run into the names of topics
        ("name", "-a"),
        ("name", "a" * 33),
        ("host", ""),
        ("host", "   "),
        ("port", 0),
        ("port", 65536),
        ("system_id", ""),
        ("system_id", "s" * 16),  # SMPP 3.4 §5.2.1: 15 and a NUL
        ("password", "p" * 9),
        ("system_type", "t" * 13),
        ("bind_mode", "receiver"),
        ("lanes", 0),
        ("lanes", 257),
        ("partitions", 0),
        ("tps", 0),
        ("tps", 1_000_001),
        ("window", 0),
        ("exposure", MAX_EXPOSURE + 1),
        ("exposure", -1),
        ("enquire_link_s", 0),
        ("submit_timeout_s", -1),
        ("failover_after_s", float("nan")),
        ("receipt_timeout_s", 59),
        ("receipts", "all"),
        ("receipt_busy_status", "64"),
        ("receipt_busy_status", "0x123456789"),
        ("message_id_form", "octal"),
        ("default_alphabet", "ebcdic"),
        ("long_message", "udh32"),
        ("source", {"ton": 256, "npi": 0}),
        ("currency", "usd"),
        ("in_doubt", {"otp": "perhaps"}),
        ("in_doubt_wait_s", 0),
        ("errors", {"0x1": {"outcome": "maybe"}}),
        ("whatever", 1),
    ],
)
def test_values_out_of_range_are_refused_by_name(field: str, value: object) -> None:
    assert refusal(**{field: value}).startswith(field)


def test_a_receipt_that_is_not_durable_is_never_answered_with_success() -> None:
    """0 would acknowledge it: promise P3."""
    for zero in ("0x0", "0x00000000"):
        assert "temporary error" in refusal(receipt_busy_status=zero)


@pytest.mark.parametrize(
    "zone", ["", "Mars/Olympus", "Europe", "../../etc/passwd", "/etc/localtime", "A" * 300, "\0", "UTC\nX"]
)
def test_time_zones_must_exist(zone: str) -> None:
    assert "no such time zone" in refusal(receipt_timezone=zone)
    assert carrier(receipt_timezone="Asia/Shanghai").receipt_timezone == "Asia/Shanghai"


@pytest.mark.parametrize(
    ("price", "micros"), [("0", 0), ("0.032", 32_000), ("0.000001", 1), ("1", 10**6), ("1E3", 10**9)]
)
def test_prices_are_kept_in_millionths(price: str, micros: int) -> None:
    assert carrier(price=price).price_micros == micros


@pytest.mark.parametrize(
    "price", ["", "x", "-1", "-0.000001", "0.0000001", "NaN", "sNaN", "Infinity", "1e400", "1e6", 0.032]
)
def test_prices_that_are_none_are_refused(price: object) -> None:
    told = refusal(price=price)
    assert told.startswith("price: ")
    assert any(word in told for word in ("price is 0 or more", "not a decimal number", "valid string"))


@pytest.mark.parametrize("code", ["", "x", "-1", "401x", "0x", "0x1_0", "0x100000000", "0x١"])
def test_error_codes_are_command_statuses(code: str) -> None:
    assert "is not a command_status; write it like 0x00000401" in refusal(errors={code: {"outcome": "permanent"}})


def test_success_can_t_be_made_an_error() -> None:
    """It would send what the carrier took again and again."""
    assert "ESME_ROK" in refusal(errors={"0x00000000": {"outcome": "throttled"}})


def test_error_codes_come_out_as_numbers() -> None:
    rule = ErrorRule(outcome="permanent", code="blocked_by_carrier")
    assert carrier(errors={"0x00000401": rule.model_dump(), "0xffFFffFF": rule.model_dump()}).error_rules == {
        0x401: rule,
        0xFFFFFFFF: rule,
    }


def test_one_code_is_not_written_twice() -> None:
    rule = {"outcome": "permanent"}
    assert "there twice" in refusal(errors={"0x401": rule, "0x00000401": rule})


def test_lanes_need_a_partition_and_a_share_each() -> None:
    assert "lanes (13) must not exceed partitions (12)" in refusal(lanes=13, tps=100)
    assert "tps (2) must be at least lanes (3)" in refusal(lanes=3, tps=2)
    assert carrier(lanes=3, partitions=3, tps=3).lanes == 3


def test_exposure_is_the_window_unless_said_and_bounded() -> None:
    assert carrier(window=50).exposure_limit == 50
    assert carrier(window=50, exposure=7).exposure_limit == 7
    assert carrier(window=5000).exposure_limit == MAX_EXPOSURE


def test_passwords_do_not_show() -> None:
    assert "hunter2" not in repr(carrier(password="hunter2"))
    assert "hunter22x" not in refusal(password="hunter22x")


def test_values_are_frozen() -> None:
    with pytest.raises(ValidationError):
        carrier().tps = 5  # type: ignore[misc]  # that it is refused is the test


def test_policies_go_by_class() -> None:
    policies = InDoubtPolicies(otp="drop", notice="hold", marketing="resend").by_class
    assert (policies[OTP], policies[NOTICE], policies[MARKETING]) == ("drop", "hold", "resend")


@pytest.mark.parametrize(
    "wrong",
    [
        {"prefix": "+86", "carriers": {"alpha": 1}},
        {"prefix": "8" * 16, "carriers": {"alpha": 1}},
        {"carriers": {}},
        {"carriers": {"alpha": 0}},
        {"carriers": {"alpha": 10_001}},
        {"carriers": {"alpha": 1}, "classes": ["sms"]},
        {"carriers": {"alpha": 1}, "to": "x"},
    ],
)
def test_routes_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Route.model_validate(wrong)


@pytest.mark.parametrize(
    "wrong",
    [{"number": "12", "account": "shop"}, {"number": "+123", "account": "shop"}, {"number": "123", "account": ""}],
)
def test_inbound_numbers_are_digits_of_an_account(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Inbound.model_validate(wrong)


def book(**parts: Any) -> CarrierBook:
    table = {key: value for key, value in LEAN.items() if key != "name"}
    return CarrierBook.model_validate({"carriers": {"alpha": table}, **parts})


def test_a_book_knows_its_carriers_by_name_and_its_numbers_by_account() -> None:
    one = book(routes=[{"carriers": {"alpha": 1}}], inbound=[{"number": "10690000", "account": "shop"}])
    assert one.carriers["alpha"].name == "alpha"
    assert one.routes[0].class_numbers == {OTP, NOTICE, MARKETING}
    assert one.accounts_by_number == {"10690000": "shop"}


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"routes": [{"carriers": {"beta": 1}}]}, "route 1 names the carrier 'beta', which is not in the file"),
        ({"routes": [{"carriers": {"alpha": 1}, "fallback": ["gamma"]}]}, "route 1 names the carrier 'gamma'"),
        (
            {
                "routes": [
                    {"prefix": "86", "carriers": {"alpha": 1}},
                    {"prefix": "86", "classes": ["otp"], "carriers": {"alpha": 1}},
                ]
            },
            "route 2 repeats prefix '86' for otp",
        ),
        (
            {"inbound": [{"number": "123", "account": "a"}, {"number": "123", "account": "b"}]},
            "number 123 is there twice",
        ),
        ({"carriers": {"alpha": {**LEAN, "name": "beta"}}}, "name"),
    ],
)
def test_what_does_not_fit_together_is_refused(parts: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        book(**parts)


def test_one_prefix_may_have_a_route_for_each_class() -> None:
    routes = [{"prefix": "86", "classes": [name], "carriers": {"alpha": 1}} for name in ("otp", "notice", "marketing")]
    assert len(book(routes=routes).routes) == 3


def test_the_routing_mark_follows_what_decides_a_route_and_nothing_else() -> None:
    def mark(routes: list[dict[str, Any]], **changes: Any) -> str:
        return CarrierBook.model_validate({"carriers": {"alpha": {**LEAN, **changes}}, "routes": routes}).routing_mark()

    one: list[dict[str, Any]] = [{"carriers": {"alpha": 1}}]
    assert mark(one, password="other", tps=20) == mark(one)
    others = {
        mark([{"prefix": "86", "carriers": {"alpha": 1}}]),
        mark(one, partitions=8),
        mark(one, test=True),
        mark([]),
    }
    assert len(others | {mark(one)}) == 5
