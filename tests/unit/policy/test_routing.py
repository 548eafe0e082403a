"""Longest prefix, class, then weights: which carrier takes a message."""

from __future__ import annotations

import random
from typing import Any

import pytest

from policy.routing import Router
from schemas.carriers import CarrierBook
from schemas.classes import MARKETING, NOTICE, OTP

NAMES = ("alpha", "beta", "gamma", "sim")
IDENTITY = bytes(10)


def book(*routes: dict[str, Any]) -> CarrierBook:
    table = {"host": "h", "port": 1, "system_id": "s", "tps": 1}
    carriers = {name: {**table, "test": name == "sim"} for name in NAMES}
    return CarrierBook.model_validate({"carriers": carriers, "routes": routes})


def chosen(router: Router, digits: str, cls: int = OTP, identity: bytes = IDENTITY, test: bool = False) -> str | None:
    choice = router.route(digits, cls, identity, test)
    return choice.carrier.name if choice else None


def test_the_longest_prefix_wins() -> None:
    router = Router(
        book(
            {"prefix": "", "carriers": {"alpha": 1}},
            {"prefix": "86", "carriers": {"beta": 1}},
            {"prefix": "86138", "carriers": {"gamma": 1}},
        )
    )
    numbers = ("8613800000000", "8613900000000", "491700000000", "86", "8")
    assert [chosen(router, digits) for digits in numbers] == ["gamma", "beta", "alpha", "beta", "alpha"]


def test_without_a_default_a_number_may_have_no_route() -> None:
    router = Router(book({"prefix": "86", "carriers": {"alpha": 1}}))
    assert chosen(router, "491700000000") is None
    assert chosen(Router(book()), "8613800000000") is None


def test_a_class_that_the_longest_prefix_does_not_take_goes_by_the_next() -> None:
    router = Router(
        book({"prefix": "86", "classes": ["otp"], "carriers": {"beta": 1}}, {"prefix": "", "carriers": {"alpha": 1}})
    )
    assert [chosen(router, "86138", cls) for cls in (OTP, NOTICE, MARKETING)] == ["beta", "alpha", "alpha"]


def test_weights_share_identities_out_and_keep_them() -> None:
    router = Router(book({"prefix": "", "carriers": {"alpha": 3, "beta": 1}}))
    picks = [chosen(router, "86", identity=number.to_bytes(10, "big")) for number in range(400)]
    assert (picks.count("alpha"), picks.count("beta")) == (300, 100)
    assert picks == [chosen(router, "49", identity=number.to_bytes(10, "big")) for number in range(400)]


def test_the_other_carriers_come_after_the_chosen_one_then_the_fallback() -> None:
    router = Router(book({"prefix": "", "carriers": {"alpha": 1, "beta": 1}, "fallback": ["gamma"]}))
    both = [router.route("86", OTP, number.to_bytes(10, "big")) for number in range(8)]
    told = {(choice.carrier.name, choice.fallback) for choice in both if choice}
    assert told == {("alpha", ("beta", "gamma")), ("beta", ("alpha", "gamma"))}


def test_a_closed_carrier_gets_nothing_new() -> None:
    routes = {"prefix": "", "carriers": {"alpha": 1, "beta": 1}, "fallback": ["gamma", "sim"]}
    for closed, expected in (
        ({"alpha"}, ("beta", ("gamma", "sim"))),
        ({"alpha", "beta"}, ("gamma", ("sim",))),
        ({"alpha", "beta", "gamma"}, ("sim", ())),
    ):
        choice = Router(book(routes), closed).route("86", OTP, IDENTITY)
        assert choice is not None
        assert (choice.carrier.name, choice.fallback) == expected
    assert chosen(Router(book(routes), NAMES), "86") is None


def test_a_test_key_never_reaches_a_real_carrier() -> None:
    router = Router(
        book(
            {"prefix": "", "carriers": {"alpha": 5, "sim": 1}, "fallback": ["beta"]},
            {"prefix": "86", "carriers": {"alpha": 1}, "fallback": ["gamma"]},
            {"prefix": "49", "carriers": {"alpha": 1}, "fallback": ["beta", "sim", "gamma"]},
        )
    )
    for number in range(50):
        for digits in ("1", "8613800000000", "491700000000"):
            choice = router.route(digits, OTP, number.to_bytes(10, "big"), test=True)
            assert choice is not None
            assert (choice.carrier.name, choice.fallback) == ("sim", ())
    assert Router(book({"prefix": "", "carriers": {"alpha": 1}})).route("86", OTP, IDENTITY, test=True) is None


@pytest.mark.parametrize(
    ("weights", "fallback"),
    [
        ({"alpha": 1}, ["alpha"]),
        ({"alpha": 1, "beta": 1}, ["beta", "gamma", "alpha"]),
        ({"alpha": 1}, ["beta", "beta"]),
    ],
)
def test_no_carrier_is_named_twice(weights: dict[str, int], fallback: list[str]) -> None:
    """Re-routing would go back to the carrier that just failed."""
    router = Router(book({"prefix": "", "carriers": weights, "fallback": fallback}))
    for number in range(4):
        choice = router.route("86", OTP, number.to_bytes(10, "big"))
        assert choice is not None
        named = [choice.carrier.name, *choice.fallback]
        assert len(named) == len(set(named))
        assert set(named) == {*weights, *fallback}


def many(router: Router, count: int = 4000) -> list[str | None]:
    """Choices for random identities."""
    draw = random.Random(7)
    return [chosen(router, "86", identity=draw.randbytes(10)) for _ in range(count)]


def test_a_carrier_of_less_share_keeps_that_much_of_its_own_and_takes_nobody_elses() -> None:
    routes = {"prefix": "", "carriers": {"alpha": 2, "beta": 1, "gamma": 1}}
    whole = many(Router(book(routes)))
    for share in (0.0, 0.1, 0.5, 0.9):
        picks = many(Router(book(routes), shares={"alpha": share}))
        assert all(now == before for now, before in zip(picks, whole, strict=True) if before != "alpha")
        kept = [now for now, before in zip(picks, whole, strict=True) if before == "alpha"]
        assert abs(kept.count("alpha") / len(kept) - share) < 0.03
        assert abs(kept.count("beta") - kept.count("gamma")) < 0.1 * len(kept), "the rest goes to the others by weight"


def test_what_a_returning_carrier_has_got_back_stays_with_it() -> None:
    routes = {"prefix": "", "carriers": {"alpha": 1, "beta": 1}}
    before: list[str | None] = []
    for tenths in range(11):
        picks = many(Router(book(routes), shares={"alpha": tenths / 10}), 1000)
        assert all(now == "alpha" for now, then in zip(picks, before, strict=False) if then == "alpha")
        before = picks
    assert before == many(Router(book(routes)), 1000)


def test_a_sick_carriers_traffic_goes_to_the_fallback_where_it_has_no_peer() -> None:
    routes = {"prefix": "", "carriers": {"alpha": 1}, "fallback": ["beta", "gamma"]}
    choice = Router(book(routes), shares={"alpha": 0.0}).route("86", OTP, IDENTITY)
    assert choice is not None
    assert (choice.carrier.name, choice.fallback) == ("beta", ("alpha", "gamma"))
    assert chosen(Router(book(routes), shares={"alpha": 0.0, "beta": 0.0}), "86") == "gamma"
    ramped = many(Router(book(routes), shares={"alpha": 0.0, "beta": 0.5}))
    assert 0.45 < ramped.count("beta") / len(ramped) < 0.55
    assert set(ramped) == {"beta", "gamma"}


def test_while_nobody_else_can_take_it_the_first_choice_keeps_its_queue() -> None:
    routes = {"prefix": "", "carriers": {"alpha": 1, "beta": 1}, "fallback": ["gamma"]}
    all_down = dict.fromkeys(NAMES, 0.0)
    assert many(Router(book(routes), shares=all_down), 200) == many(Router(book(routes)), 200)
    assert set(many(Router(book(routes), {"beta", "gamma"}, {"alpha": 0.1}), 200)) == {"alpha"}


def test_a_test_key_stays_with_test_carriers_though_they_are_down() -> None:
    router = Router(book({"prefix": "", "carriers": {"sim": 1}, "fallback": ["alpha"]}), shares={"sim": 0.0})
    assert chosen(router, "86", test=True) == "sim"
    assert chosen(router, "86") == "alpha"
