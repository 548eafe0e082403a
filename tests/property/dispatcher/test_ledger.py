"""The ledger in the metadata of a commit: what was written is read, and what was not is refused with one kind of error."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bus.ports import Commit
from dispatcher.ledger import (
    MOST_METADATA,
    Divert,
    LedgerError,
    LedgerState,
    QueueLedger,
    decode,
    empty_commit,
    encode,
)
from schemas.carriers import MAX_EXPOSURE

tokens = st.text(
    st.sampled_from("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"), min_size=1, max_size=32
)
gaps = st.one_of(
    st.just(0), st.integers(0, 5), st.integers(100, 300), st.integers(16_000, 17_000), st.integers(0, 2**40)
)
diverts = st.one_of(
    st.none(), st.builds(Divert, st.integers(0, 2**40), st.sampled_from(["alpha", "alpha+beta", "a" * 32]))
)


@st.composite
def states(draw: st.DrawFn) -> LedgerState:
    low = draw(st.integers(0, 2**50))
    last, opened = low - 1, []
    for gap in draw(st.lists(gaps, max_size=120)):
        last += gap + 1
        opened.append(last)
    high = last + 1 + draw(st.integers(0, 10_000))
    return LedgerState(draw(tokens), low, high, tuple(opened), draw(diverts))


@given(states())
def test_what_was_written_is_read(state: LedgerState) -> None:
    commit = encode(state)
    assert commit.offset == state.low
    assert len(commit.metadata.encode()) == len(commit.metadata) <= MOST_METADATA
    assert decode(commit) == state


@given(states(), st.data())
def test_damage_is_one_error_or_another_ledger_that_is_consistent(state: LedgerState, data: st.DataObject) -> None:
    commit = encode(state)
    text = list(commit.metadata)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        text[at : at + data.draw(st.integers(0, 2))] = data.draw(st.text(max_size=2))
    offset = commit.offset + data.draw(st.sampled_from([0, 0, 1, -1, 1000]))
    with contextlib.suppress(LedgerError):
        read = decode(Commit(offset, "".join(text)))
        assert read.low == offset <= read.high
        assert all(offset <= opened < read.high for opened in read.open)
        assert list(read.open) == sorted(set(read.open))
        assert decode(encode(read)) == read


@given(st.text(max_size=80), st.integers(-1, 2**60))
@example("", 0)
@example("1", 0)
@example("1 t 5", 0)
@example("1 t 5 =", 0)
@example("1 t 5 gA==", 0)  # a varint that does not end
@example("1 t 0 AA==", 0)  # open at high
@example("1 t -1 ", 0)
@example("1 t 5  7", 0)
@example("2 t 5 ", 0)
@example("1 t 5 AA== x:alpha", 0)
def test_any_text_is_a_ledger_or_one_error(metadata: str, offset: int) -> None:
    with contextlib.suppress(LedgerError):
        assert decode(Commit(offset, metadata)).low == offset


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=60), st.integers(0, 100))
def test_a_queue_in_its_owner_s_hands_agrees_with_what_it_commits(acts: list[tuple[bool, int]], low: int) -> None:
    """Against a plain model: which offsets are open, where low and high are."""
    ledger, opened, reserved = QueueLedger(LedgerState("t", low, low, ())), list[int](), low
    for reserve, number in acts:
        if reserve:
            offset = reserved + number
            ledger.reserve(offset, object())
            opened.append(offset)
            reserved = offset + 1
        elif opened:
            ledger.settle(opened.pop(number % len(opened)))
        state = ledger.state("t")
        assert state == decode(encode(state))
        assert (state.open, state.high) == (tuple(opened), reserved)
        assert state.low == (opened[0] if opened else reserved)
        restored = QueueLedger(decode(encode(state)))
        assert (list(restored.open), restored.high, restored.reserved) == (opened, reserved, reserved)


@pytest.mark.parametrize("gap", [0, 127, 128, 16_511])
def test_the_most_that_may_be_open_fits_with_any_gaps_that_a_lane_can_have(gap: int) -> None:
    """Sixteen thousand messages settled between each two of a thousand that are open: more than a lane can have under way."""
    low = 10**12
    opened = tuple(low + number * (gap + 1) for number in range(MAX_EXPOSURE))
    state = LedgerState("f" * 18, low, opened[-1] + 1, opened, Divert(low, "a" * 32))
    assert decode(encode(state)) == state


def test_a_ledger_that_does_not_fit_is_refused_not_cut() -> None:
    opened = tuple(number * 2**42 for number in range(MAX_EXPOSURE))
    with pytest.raises(LedgerError, match=r"1000 open records needs .* lower the exposure"):
        encode(LedgerState("t", 0, opened[-1] + 1, opened))


def test_reserving_goes_forward_only_and_settling_twice_is_nothing() -> None:
    ledger = QueueLedger(decode(empty_commit(5)))
    ledger.reserve(7, "x")
    with pytest.raises(ValueError, match="reserved before"):
        ledger.reserve(7, "y")
    ledger.settle(7)
    ledger.dirty = False
    ledger.settle(7)
    ledger.settle(99)
    assert not ledger.dirty
    ledger.raised(8)
    ledger.raised(3)
    assert ledger.high == 8


def test_the_bytes_of_a_ledger_are_for_ever() -> None:
    """They are in Kafka: a release that reads them otherwise would lose or double messages."""
    state = LedgerState("0a1b", 100, 140, (100, 101, 130), None)
    assert encode(state) == Commit(100, "1 0a1b 140 AAAc")
    assert encode(state._replace(divert=Divert(120, "alpha"))).metadata == "1 0a1b 140 AAAc 120:alpha"
    assert empty_commit(9) == Commit(9, "1 - 9 ")
