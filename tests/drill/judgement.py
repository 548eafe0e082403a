"""What a drill concludes from rows and logs: pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

LOSS_GAP_MS: Final = 1_000
"""Doubts of a lane that are listed within this belong to one loss."""


class Doubt(NamedTuple):
    """A row of `in_doubt`."""

    id: str
    carrier: str
    lane: int
    reason: str
    at_ms: int


class Write(NamedTuple):
    """A line of SMPPD_WRITE_LOG: Unix seconds, and segments."""

    at_s: float
    carrier: str
    lane: int
    segments: int


def most_in_one_loss(doubts: Iterable[Doubt]) -> int:
    """The most messages that one lane had in doubt when its owner, its bind or an answer was lost."""
    losses: defaultdict[tuple[str, int, str], list[Doubt]] = defaultdict(list)
    for doubt in doubts:
        losses[doubt.carrier, doubt.lane, doubt.reason].append(doubt)
    most = 0
    for some in losses.values():
        some.sort(key=lambda doubt: doubt.at_ms)
        current: set[str] = set()
        last_ms = some[0].at_ms
        for doubt in some:
            if doubt.at_ms - last_ms > LOSS_GAP_MS:
                current = set()
            current.add(doubt.id)
            last_ms = doubt.at_ms
            most = max(most, len(current))
    return most


def most_in_a_second(writes: Sequence[Write]) -> int:
    """The most segments in any sliding second (half open: a write exactly one second later is not in it)."""
    ordered = sorted(writes, key=lambda write: write.at_s)
    most = inside = begin = 0
    for write in ordered:
        inside += write.segments
        while write.at_s - ordered[begin].at_s >= 1.0:
            inside -= ordered[begin].segments
            begin += 1
        most = max(most, inside)
    return most


def mean_rate(writes: Sequence[Write], begin_s: float, end_s: float, without: tuple[float, float]) -> float:
    """Segments a second from `begin_s` to `end_s`, leaving out the span `without`."""
    counted = sum(
        write.segments
        for write in writes
        if begin_s <= write.at_s < end_s and not without[0] <= write.at_s < without[1]
    )
    left_out = max(0.0, min(end_s, without[1]) - max(begin_s, without[0]))
    return counted / (end_s - begin_s - left_out)


def read_writes(lines: Iterable[str]) -> list[Write]:
    """The lines of a write log."""
    found = []
    for line in lines:
        at_s, carrier, lane, segments = line.split()
        found.append(Write(float(at_s), carrier, int(lane), int(segments)))
    return found
