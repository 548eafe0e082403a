"""No sliding second holds more than the contract, whatever the loop, the clock and the operator do; and what may be used is.

Virtual time in whole microseconds, so that a window [t, t + 1 s) is counted exactly; what the pacer sees are the floats that
a monotonic clock gives.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Protocol

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.pace import Pace
from ratelimit.adaptive import FLOOR
from ratelimit.pacer import Pacer, Wait
from ratelimit.shares import share_of

SECOND = 1_000_000
START = 5_000 * SECOND
Write = tuple[int, int, int]
"""Microsecond, segments, share in force."""


class Paces(Protocol):
    """What Pacer and Pace have in common."""

    @property
    def share(self) -> int: ...
    def available(self, now: float) -> int: ...
    def took(self, segments: int, now: float) -> None: ...
    def ready_at(self, segments: int, now: float) -> float: ...
    def set_share(self, share: int, now: float) -> None: ...


shares = st.one_of(st.integers(1, 5), st.integers(6, 60), st.integers(61, 3000))
# Bursts of wake-ups, a clock that stands still, ticks, stalls of the loop, long silences; and the second's very edge.
gaps_us = st.one_of(
    st.just(0),
    st.integers(1, 2_000),
    st.integers(2_000, 60_000),
    st.integers(60_000, 3 * SECOND),
    st.integers(SECOND - 3, SECOND + 6_000),
)
fractions = st.sampled_from([0.0, 0.3, 1.0, 1.0, 1.0])
acts = st.one_of(
    st.just(("wake", 0.0)),
    st.just(("wake", 0.0)),
    st.tuples(st.just("rate"), st.floats(0, 1.5)),
    st.tuples(st.just("share"), st.floats(0.1, 3)),
    st.tuples(st.just("refused"), st.just(0.0)),
)
steps = st.lists(st.tuples(gaps_us, fractions, acts), max_size=120)


def seconds(at_us: int) -> float:
    return at_us / SECOND


def assert_contract(writes: list[Write]) -> None:
    """Each write sees, in the second that ends with it, at most the share in force."""
    totals = [0, *accumulate(segments for _, segments, _ in writes)]
    first = 0
    for last, (at, _, share) in enumerate(writes):
        while writes[first][0] <= at - SECOND:
            first += 1
        held = totals[last + 1] - totals[first]
        assert held <= share, f"{held} segments in the second before {at}, share {share}"


def play(pace: Paces, steps: list[tuple[int, float, tuple[str, float]]], at: int) -> list[Write]:
    writes: list[Write] = []
    for gap, fraction, (act, amount) in steps:
        at += gap
        now = seconds(at)
        if act == "rate" and isinstance(pace, Pacer):
            pace.set_rate(amount * pace.share, now)
        elif act == "share":
            pace.set_share(max(1, round(pace.share * amount)), now)
        elif act == "refused" and isinstance(pace, Pace):
            pace.refused(now)
        allowed = pace.available(now)
        assert allowed >= 0
        taken = round(allowed * fraction)
        if taken:
            pace.took(taken, now)
            writes.append((at, taken, pace.share))
    return writes


@settings(max_examples=300)
@given(shares, st.booleans(), steps)
def test_no_sliding_second_holds_more_than_the_share_in_force(
    share: int, fresh: bool, steps: list[tuple[int, float, tuple[str, float]]]
) -> None:
    assert_contract(play(Pacer(share, seconds(START), fresh=fresh), steps, START))


@settings(max_examples=200)
@given(shares, steps)
def test_the_lane_s_pace_holds_it_too_through_throttling(
    share: int, steps: list[tuple[int, float, tuple[str, float]]]
) -> None:
    assert_contract(play(Pace(share, seconds(START)), steps, START))


@given(st.integers(20, 2000), st.integers(6_000, 90_000))
def test_it_holds_at_the_moment_of_the_write_however_long_encoding_takes(share: int, late_us: int) -> None:
    """Between the question and the write the machine may be busy with something else, for longer than the ring's margin:
    here each time in the first second, and never in those that follow."""
    pacer, at, writes = Pacer(share, seconds(START), fresh=True), START, []
    burst = max(2, share // 10)
    while at < START + 4 * SECOND:
        taken = pacer.available(seconds(at))
        if taken:
            pacer.took(taken, seconds(at))
            at += late_us if at < START + SECOND else 0
            pacer.written(seconds(at))
            writes.append((at, taken, share))
        at = max(at + 1, round(pacer.ready_at(burst, seconds(at)) * SECOND))
    assert_contract(writes)


@settings(max_examples=200)
@given(
    st.integers(1, 4), st.integers(4, 2000), st.integers(1, 3),
    st.lists(st.tuples(st.integers(0, 2 * SECOND), st.sampled_from(("take over", "rebind", "tps")), st.floats(0.2, 2)), max_size=8),
)  # fmt: skip
def test_all_lanes_together_hold_it_across_takeovers_rebinds_and_switches(
    lanes: int, tps: int, late_ms: int, events: list[tuple[int, str, float]]
) -> None:
    """The lanes of a carrier side by side with a backlog each, awake every few milliseconds: the most that any tps of the
    second allows is never exceeded. A switch reaches each lane at a moment of its own, within a second."""
    paces = [Pace(share_of(tps, lanes, lane), seconds(START)) for lane in range(lanes)]
    at, writes, in_force, wanted = START, [], [(START, tps)], []
    for gap, act, amount in [*events, (3 * SECOND, "rebind", 1.0)]:
        end = at + gap
        while at < end:
            for due in [entry for entry in wanted if entry[0] <= at]:
                wanted.remove(due)
                paces[due[1]].set_share(share_of(due[2], lanes, due[1]), seconds(at))
            for lane, pace in enumerate(paces):
                taken = pace.available(seconds(at))
                if taken:
                    pace.took(taken, seconds(at))
                    writes.append((at, taken, lane))
            at += 7_000 + late_ms * 1000
        lane = round(amount * 1000) % lanes
        if act == "take over":
            paces[lane] = Pace(paces[lane].share, seconds(at))
        elif act == "tps":
            tps = max(lanes, round(tps * amount))
            in_force.append((at, tps))
            wanted += [(at + number * SECOND // lanes, number, tps) for number in range(lanes)]
    for last, (at, _, _) in enumerate(writes):
        held = sum(count for when, count, _ in writes[max(0, last - 2000) : last + 1] if when > at - SECOND)
        # A lane may still have the rate before, for a second after the switch and in the second that is looked back on.
        allowed = [rate for since, rate in in_force if since > at - 2 * SECOND]
        before = [rate for since, rate in in_force if since <= at - 2 * SECOND]
        assert held <= max([*allowed, *before[-1:]]), f"{held} in the second before {at}"


@settings(max_examples=200)
@given(shares, st.integers(0, 3 * SECOND), steps, steps, st.sampled_from([Pacer, Pace]))
def test_two_owners_one_after_the_other_hold_it_together(
    share: int,
    handover_us: int,
    before: list[tuple[int, float, tuple[str, float]]],
    after: list[tuple[int, float, tuple[str, float]]],
    make: Callable[[int, float], Paces],
) -> None:
    """The next owner begins when the last one stopped, or later: it does not know what was written."""
    same_share = [(gap, fraction, ("wake", 0.0)) for gap, fraction, _ in before + after]
    first = play(make(share, seconds(START)), same_share[: len(before)], START)
    began = (first[-1][0] if first else START) + handover_us
    second = play(make(share, seconds(began)), same_share[len(before) :], began)
    assert all(at >= began + SECOND for at, _, _ in second)
    assert_contract(first + second)


@given(st.integers(1, 12), st.integers(0, 500), steps)
@settings(max_examples=60)
def test_all_lanes_of_a_carrier_together_hold_the_contract(
    lanes: int, more: int, steps: list[tuple[int, float, tuple[str, float]]]
) -> None:
    tps = lanes + more
    quiet = [(gap, fraction, ("wake", 0.0)) for gap, fraction, _ in steps]
    writes: list[Write] = []
    for lane in range(lanes):
        # Each lane's loop has its own moments.
        shifted = [(gap + lane * 137 % 900 if gap else 0, fraction, act) for gap, fraction, act in quiet]
        writes += play(Pacer(share_of(tps, lanes, lane), seconds(START), fresh=True), shifted, START)
    assert_contract([(at, segments, tps) for at, segments, _ in sorted(writes)])


@settings(max_examples=60)
@given(shares, st.lists(st.integers(0, 1000), min_size=1, max_size=50), st.sampled_from([Pacer, Pace]))
def test_a_backlog_uses_98_percent_of_its_share(
    share: int, late_us: list[int], make: Callable[[int, float], Paces]
) -> None:
    """Wake-ups as the lane asks for them (`Lane.deadline`), each at most a millisecond late."""
    pace, at, wakes, sent, writes = make(share, seconds(START)), START, 0, 0, []
    end = START + 12 * SECOND
    while at < end:
        taken = pace.available(seconds(at))
        if taken:
            pace.took(taken, seconds(at))
            writes.append((at, taken, share))
            sent += taken if at >= START + 2 * SECOND else 0
        wanted = max(1, int(share * 0.002))
        due = max(at + 1, round(pace.ready_at(wanted, seconds(at)) * SECOND))
        at = due + late_us[wakes % len(late_us)]
        wakes += 1
    assert_contract(writes)
    # Over ten seconds, but for the one segment that may be under way at each end.
    assert sent >= 0.98 * share * 10 - 1


def test_stalls_of_the_loop_are_made_good() -> None:
    """Twenty milliseconds late, one wake-up in five: a bucket alone that kept the contract would lose a tenth."""
    share = 500
    pace, at, wakes, sent = Pacer(share, seconds(START), fresh=True), START, 0, 0
    while at < START + 20 * SECOND:
        taken = pace.available(seconds(at))
        if taken:
            pace.took(taken, seconds(at))
            sent += taken
        at = max(at + 1, round(pace.ready_at(1, seconds(at)) * SECOND)) + (20_000 if wakes % 5 == 0 else 200)
        wakes += 1
    assert sent >= 0.99 * share * 20


@given(shares, st.integers(1, 200), st.integers(0, 3 * SECOND))
def test_the_moment_that_is_told_is_neither_early_nor_late(share: int, segments: int, after_us: int) -> None:
    pacer = Pacer(share, seconds(START))
    now = seconds(START + after_us)
    try:
        told = pacer.take(segments, now)
    except ValueError:
        assert segments > min(share, max(2, share * 0.1))
        return
    if isinstance(told, Wait):
        assert told.until > now
        assert pacer.available(told.until - 1e-4) < segments
        assert pacer.available(told.until + 1e-6) >= segments


@given(shares, st.lists(st.tuples(st.booleans(), st.integers(0, 2 * SECOND)), max_size=100))
def test_throttled_or_not_the_rate_stays_between_floor_and_share(share: int, events: list[tuple[bool, int]]) -> None:
    pace, at = Pace(share, seconds(START)), START
    for refused, gap in events:
        at += gap
        before = pace.rate
        if refused:
            pace.refused(seconds(at))
            assert pace.rate <= before
        pace.available(seconds(at))
        assert FLOOR * share - 1e-9 <= pace.rate <= share
        assert pace.throttled == (pace.rate < share)
    quiet = at
    for _ in range(60):
        quiet += 2 * SECOND
        pace.available(seconds(quiet))
    assert pace.rate == share
    assert not pace.throttled


@given(shares)
def test_while_it_pauses_nothing_may_be_written_and_the_end_of_the_pause_is_told(share: int) -> None:
    pace, now = Pace(share, seconds(START)), seconds(START) + 10
    assert pace.available(now) >= 1
    pace.refused(now)
    assert pace.available(now) == pace.available(now + 0.099) == 0
    assert pace.ready_at(1, now) >= now + 0.1
    assert pace.available(pace.ready_at(1, now) + 1e-6) >= 1
