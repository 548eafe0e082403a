"""Any book, any number: the choice is one that the book allows, the same for a repeat, and never a carrier twice."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from policy.routing import Router
from schemas.carriers import CarrierBook
from schemas.classes import CLASS_NAMES

NAMES = ("alpha", "beta", "gamma", "delta")
names = st.sampled_from(NAMES)


@st.composite
def routes(draw: st.DrawFn) -> list[dict[str, Any]]:
    prefixes = draw(st.lists(st.text(st.sampled_from("0123456789"), max_size=4), unique=True, max_size=6))
    return [
        {
            "prefix": prefix,
            "classes": draw(st.lists(st.sampled_from(CLASS_NAMES), min_size=1, unique=True)),
            "carriers": draw(st.dictionaries(names, st.integers(1, 5), min_size=1)),
            "fallback": draw(st.lists(names, max_size=4)),
        }
        for prefix in prefixes
    ]


@st.composite
def books(draw: st.DrawFn) -> CarrierBook:
    carriers = {
        name: {"host": "h", "port": 1, "system_id": "s", "tps": 1, "test": draw(st.booleans())} for name in NAMES
    }
    return CarrierBook.model_validate({"carriers": carriers, "routes": draw(routes())})


@given(
    books(),
    st.frozensets(names),
    st.dictionaries(names, st.sampled_from((0.0, 0.1, 0.5, 1.0))),
    st.text(st.sampled_from("0123456789"), min_size=1, max_size=8),
    st.integers(0, 2),
    st.binary(min_size=10, max_size=10),
    st.booleans(),
)
def test_the_choice_is_allowed_deterministic_and_names_nobody_twice(
    book: CarrierBook,
    closed: frozenset[str],
    shares: dict[str, float],
    digits: str,
    cls: int,
    identity: bytes,
    test: bool,
) -> None:
    choice = Router(book, closed, shares).route(digits, cls, identity, test)
    assert Router(book, closed, shares).route(digits, cls, identity, test) == choice

    def open_to_us(names: Any) -> set[str]:
        return {name for name in names if name not in closed and (book.carriers[name].test or not test)}

    fitting = [
        route
        for route in book.routes
        if digits.startswith(route.prefix)
        and cls in route.class_numbers
        and open_to_us([*route.carriers, *route.fallback])
    ]
    assert (choice is None) == (not fitting)
    if choice is None:
        return
    longest = max(fitting, key=lambda route: len(route.prefix))
    named = [choice.carrier.name, *choice.fallback]
    assert len(named) == len(set(named))
    assert set(named) == open_to_us([*longest.carriers, *longest.fallback])
    well = {name for name in named if shares.get(name, 1.0) > 0}
    first = Router(book, closed).route(digits, cls, identity, test)
    assert first is not None
    if shares.get(first.carrier.name, 1.0) == 1.0:
        assert choice == first, "what does well keeps its own"
        assert choice.carrier.name in (open_to_us(longest.carriers) or open_to_us(longest.fallback))
    elif well:
        assert choice.carrier.name in well, "somebody who is down gets nothing while another can take it"
    else:
        assert choice == first
