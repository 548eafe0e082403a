"""Whether a run, or a step of it, was sustained: intake kept up with what was asked, and output with intake. Pure.

A queue in the middle makes intake look good at any rate for a while. So a rate counts only when what is under way did not
grow over the second half of its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from load.figures import Sample

ENOUGH: Final = 0.98
"""Share of the asked rate that intake must take."""
GROWTH: Final = 0.03
"""Share of intake by which what is under way may grow: more than the noise of sampling, less than anyone would miss."""
_LEAST_POINTS: Final = 4
_LEAST_S: Final = 2.0


class Verdict(NamedTuple):
    """`sustained` None: can't be told. `output_per_s`: messages, over the whole window."""

    sustained: bool | None
    reason: str
    accepted_per_s: float
    output_per_s: float | None


def judge(
    samples: Sequence[Sample], begin_s: float, end_s: float, asked_per_s: float | None, segments: float | None
) -> Verdict:
    """The verdict on a window of a run. `asked_per_s` None: closed loop. `segments` of a message: None where unknown."""
    window = [sample for sample in samples if begin_s <= sample.at_s <= end_s]
    if len(window) < 2:
        return Verdict(None, "too short to tell", 0.0, None)
    first, last = window[0], window[-1]
    accepted_per_s = (last.accepted - first.accepted) / (last.at_s - first.at_s)
    output_per_s = _output_per_s(window, segments)
    middle = (begin_s + end_s) / 2
    taken_per_s = _taken_per_s(window, middle)
    if asked_per_s is not None and taken_per_s < ENOUGH * asked_per_s:
        reason = f"intake took {taken_per_s:,.0f} of the {asked_per_s:,.0f} msg/s asked for"
        return Verdict(False, reason, accepted_per_s, output_per_s)
    under_way = _under_way(window, segments)
    if not under_way:
        return Verdict(None, "nobody was asked what came out", accepted_per_s, output_per_s)
    late = [point for point in under_way if point[0] >= middle]
    if len(late) < _LEAST_POINTS or late[-1][0] - late[0][0] < _LEAST_S:
        return Verdict(None, "too short to tell", accepted_per_s, output_per_s)
    growth = slope(late)
    if growth > max(1.0, GROWTH * accepted_per_s):
        reason = f"output is behind intake: what is under way grows by {growth:,.0f} msg/s"
        return Verdict(False, reason, accepted_per_s, output_per_s)
    return Verdict(True, "output kept up with intake", accepted_per_s, output_per_s)


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Least squares: change a second."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def _taken_per_s(window: Sequence[Sample], middle: float) -> float:
    """What intake took in the second half: in the first, the requests that are under way are still to be answered."""
    late = [sample for sample in window if sample.at_s >= middle]
    late = late if len(late) > 1 else list(window)
    return (late[-1].accepted - late[0].accepted) / (late[-1].at_s - late[0].at_s)


def _outputs(window: Sequence[Sample], segments: float | None) -> list[tuple[float, float, int]]:
    """(time, messages that came out, messages accepted) where the count is fresh: probes rest between their looks."""
    series: list[tuple[float, float, int]] = []
    for sample in window:
        out: float | None = sample.seen.final
        if out is None and sample.seen.submitted is not None and segments:
            out = sample.seen.submitted / segments
        if out is not None and (not series or out != series[-1][1]):
            series.append((sample.at_s, out, sample.accepted))
    return series


def _under_way(window: Sequence[Sample], segments: float | None) -> list[tuple[float, float]]:
    """Messages between 202 and their end, over time; without an end to count, those in the lanes' queues."""
    if all(sample.seen.final is None for sample in window):
        queued = [(sample.at_s, float(sample.seen.backlog)) for sample in window if sample.seen.backlog is not None]
        if queued:
            return queued
    series = [(at_s, accepted - out) for at_s, out, accepted in _outputs(window, segments)]
    accepted = window[-1].accepted - window[0].accepted
    if len(series) == 1 and accepted:
        # Nothing at all came out: that is growth, not silence.
        return [(sample.at_s, sample.accepted - series[0][1]) for sample in window]
    return series


def _output_per_s(window: Sequence[Sample], segments: float | None) -> float | None:
    series = _outputs(window, segments)
    if not series:
        return None
    return (series[-1][1] - series[0][1]) / (window[-1].at_s - window[0].at_s)
