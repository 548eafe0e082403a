"""Who owns which unit: every unit once, fair to one, with the fewest moves, and the same whoever is asked."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bus.assignor import Claim, assign_units, partitions_of

Claims = dict[str, Claim]
members = st.lists(st.integers(0, 30).map(lambda number: f"m{number}"), min_size=1, max_size=9, unique=True)


@st.composite
def groups(draw: st.DrawFn) -> Claims:
    """Members of one configuration that own disjoint units of some earlier assignment, fair or not."""
    names = draw(members)
    units = draw(st.integers(1, 24))
    in_force = draw(st.sampled_from([units, units, units, 0, units + 3]))
    owners = draw(st.lists(st.sampled_from([*names, None]), min_size=in_force, max_size=in_force))
    claims = {}
    for number, name in enumerate(names):
        owned = tuple(unit for unit, owner in enumerate(owners) if owner == name)
        claims[name] = Claim(f"host-{number}", "c", units, in_force if owned or draw(st.booleans()) else 0, owned)
    return claims


@st.composite
def hostile_groups(draw: st.DrawFn) -> Claims:
    """Members that claim anything: each other's units, units that are not there, twice the same, old numbers."""
    return {
        name: Claim(
            draw(st.sampled_from(["a", "b", "host"])),
            draw(st.sampled_from(["c1", "c2"])),
            draw(st.integers(1, 8)),
            draw(st.integers(0, 8)),
            draw(st.lists(st.integers(-2, 10), max_size=6).map(tuple)),
        )
        for name in draw(members)
    }


def in_order(shares: dict[str, list[int]]) -> list[int]:
    return sorted(unit for units in shares.values() for unit in units)


@given(st.one_of(groups(), hostile_groups()))
def test_every_unit_has_exactly_one_owner_and_nobody_has_two_more_than_another(claims: Claims) -> None:
    in_force, shares = assign_units("g", claims)
    assert in_force >= 1
    assert set(shares) == set(claims)
    assert in_order(shares) == list(range(in_force))
    sizes = [len(units) for units in shares.values()]
    assert max(sizes) - min(sizes) <= 1
    assert all(units == sorted(units) for units in shares.values())


@given(groups())
def test_as_few_units_move_as_fairness_allows(claims: Claims) -> None:
    in_force, shares = assign_units("g", claims)
    owned = {name: len(claim.owned) if claim.in_force == in_force else 0 for name, claim in claims.items()}
    kept = sum(
        len(set(claim.owned) & set(shares[name])) for name, claim in claims.items() if claim.in_force == in_force
    )
    most, extra = divmod(in_force, len(claims))
    # The best that any fair assignment can do: those that own most keep one more.
    best = sum(
        min(count, most + (1 if rank < extra else 0)) for rank, count in enumerate(sorted(owned.values(), reverse=True))
    )
    assert kept == best


@given(groups())
def test_an_assignment_that_is_fair_stays_as_it_is(claims: Claims) -> None:
    in_force, shares = assign_units("g", claims)
    again = {
        name: Claim(claim.instance, claim.config, claim.units, in_force, tuple(shares[name]))
        for name, claim in claims.items()
    }
    assert assign_units("g", again) == (in_force, shares)


@given(st.one_of(groups(), hostile_groups()), st.randoms(use_true_random=False))
@example({"m0": Claim("a", "c1", 2), "m1": Claim("b", "c2", 3)}, None)  # type: ignore[arg-type]  # sorted, then
def test_the_answer_does_not_hang_on_the_order_of_the_claims(claims: Claims, random: object) -> None:
    """Two leaders, or one asked twice, must not disagree: each rebalance would move lanes."""
    names = list(claims)
    if random is None:
        names.reverse()
    else:
        random.shuffle(names)  # type: ignore[attr-defined]  # Hypothesis' random
    assert assign_units("g", {name: claims[name] for name in names}) == assign_units("g", claims)


@given(st.integers(2, 6), st.integers(1, 12), st.integers(0, 5))
def test_a_member_that_joins_takes_its_share_and_moves_nothing_between_the_others(
    count: int, units: int, which: int
) -> None:
    names = [f"m{number}" for number in range(count)]
    _, before = assign_units("g", {name: Claim(name, "c", units) for name in names})
    claims = {name: Claim(name, "c", units, units, tuple(before[name])) for name in names}
    _, after = assign_units("g", claims | {"new": Claim("new", "c", units)})
    for name in names:
        assert set(after[name]) <= set(before[name])
    gone = names[which % count]
    _, left = assign_units("g", {name: claim for name, claim in claims.items() if name != gone})
    for name in set(names) - {gone}:
        assert set(before[name]) <= set(left[name])


def test_while_configurations_differ_the_units_in_force_hold() -> None:
    old = {name: Claim(name, "old", 2, 2, (number,)) for number, name in enumerate(("a", "b"))}
    mixed = {**old, "a": Claim("a", "new", 4, 2, (0,))}
    assert assign_units("g", mixed) == (2, {"a": [0], "b": [1]})
    agreed = {name: Claim(name, "new", 4, 2, claim.owned) for name, claim in old.items()}
    in_force, shares = assign_units("g", agreed)
    assert in_force == 4
    assert in_order(shares) == [0, 1, 2, 3]


def test_a_newcomer_with_a_newer_configuration_does_not_change_the_units_in_force() -> None:
    claims = {"a": Claim("a", "old", 2, 2, (0, 1)), "b": Claim("b", "new", 6)}
    in_force, shares = assign_units("g", claims)
    assert in_force == 2
    assert {name: len(units) for name, units in shares.items()} == {"a": 1, "b": 1}


def test_numbers_of_an_earlier_count_mean_other_partitions_and_are_not_kept() -> None:
    """Lane 1 of 2 and lane 1 of 3 share hardly a partition."""
    claims = {"a": Claim("a", "c", 3, 2, (1,)), "b": Claim("b", "c", 3, 3, (0, 2))}
    _, shares = assign_units("g", claims)
    assert set(shares["b"]) == {0, 2}


def test_of_two_that_claim_one_unit_one_gets_it() -> None:
    claims = {"a": Claim("a", "c", 2, 2, (0,)), "b": Claim("b", "c", 2, 2, (0,))}
    _, shares = assign_units("g", claims)
    assert in_order(shares) == [0, 1]


def test_the_odd_lanes_of_many_carriers_spread_over_all_workers() -> None:
    """One lane a carrier, or one more than workers: without the hash, one worker had them all."""
    workers = {f"m{number}": Claim(f"dispatcher-{number}", "c", 1) for number in range(4)}
    owners: Counter[str] = Counter()
    for number in range(400):
        _, shares = assign_units(f"dispatch.carrier-{number}", workers)
        owners.update(name for name, units in shares.items() if units)
    assert sum(owners.values()) == 400
    assert min(owners.values()) > 60
    assert max(owners.values()) < 140


@pytest.mark.parametrize(("units", "partitions"), [(1, 12), (5, 12), (12, 12), (7, 3)])
def test_the_partitions_of_all_units_are_all_partitions_once(units: int, partitions: int) -> None:
    owned = [partition for unit in range(units) for partition in partitions_of(unit, units, partitions)]
    assert sorted(owned) == list(range(partitions))
