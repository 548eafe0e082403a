"""What is counted and measured of a run. Times are seconds, monotonic unless said otherwise."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

_LEAST_S: Final = 1e-5
_GROWTH: Final = 1.05
_BUCKETS: Final = 400
"""Up to 3,000 s, each bucket 5 % wider than the one before."""
_SCALE: Final = 1 / math.log(_GROWTH)


class Histogram:
    """Durations in buckets of 5 %: a percentile is right to that."""

    def __init__(self) -> None:
        self.counts = [0] * _BUCKETS
        self.count = 0
        self.total_s = 0.0
        self.most_s = 0.0

    def add(self, seconds: float, times: int = 1) -> None:
        at = int(math.log(seconds / _LEAST_S) * _SCALE) + 1 if seconds > _LEAST_S else 0
        self.counts[min(at, _BUCKETS - 1)] += times
        self.count += times
        self.total_s += seconds * times
        self.most_s = max(self.most_s, seconds)

    def merge(self, other: Histogram) -> None:
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.count += other.count
        self.total_s += other.total_s
        self.most_s = max(self.most_s, other.most_s)

    def quantile(self, share: float) -> float:
        """The upper bound of the bucket that holds this share; 0 when nothing was added."""
        wanted, seen = share * self.count, 0
        for at, number in enumerate(self.counts):
            seen += number
            if number and seen >= wanted:
                return min(_LEAST_S * _GROWTH**at, self.most_s)
        return 0.0

    def buckets(self) -> Iterator[tuple[float, float, int]]:
        """(from, to, count) of those between the first and the last that hold something."""
        held = [at for at, number in enumerate(self.counts) if number]
        for at in range(held[0], held[-1] + 1) if held else ():
            yield (_LEAST_S * _GROWTH ** (at - 1) if at else 0.0), _LEAST_S * _GROWTH**at, self.counts[at]


class Seen(NamedTuple):
    """What probes tell, counted from the start of the run; None where nobody was asked, or did not answer.

    `submitted` counts segments that carriers took, `final` and `delivered` messages, `backlog` messages in the lanes'
    queues. `lag_s`: of the projection.
    """

    submitted: int | None = None
    receipts: int | None = None
    delivered: int | None = None
    final: int | None = None
    backlog: int | None = None
    lag_s: float | None = None


class Sample(NamedTuple):
    """A look at all counters. `at_s`: since the start."""

    at_s: float
    accepted: int
    seen: Seen


@dataclass
class StepFigures:
    """Of one step, or of the whole run."""

    latency: Histogram = field(default_factory=Histogram)
    late: Histogram = field(default_factory=Histogram)
    """How long after its planned time a request left; open loop only."""
    accepted: int = 0


class Figures:
    """All counters of a run."""

    def __init__(self, steps: int) -> None:
        self.steps = [StepFigures() for _ in range(max(1, steps))]
        self.started = 0.0
        self.stopped = 0.0
        self.planned = 0
        self.accepted = 0
        self.rejected: Counter[str] = Counter()
        self.unanswered = 0
        """Messages that were given up: nobody said whether they were accepted."""
        self.unsent = 0
        """Messages that were certainly not accepted: no connection, or 429 until patience ended."""
        self.attempts: Counter[str] = Counter()
        self.in_flight = 0
        self.ended = 0
        """Messages that are over, as far as probes tell."""
        self.samples: list[Sample] = []

    @property
    def latency(self) -> Histogram:
        return self._whole("latency")

    @property
    def late(self) -> Histogram:
        return self._whole("late")

    def _whole(self, name: str) -> Histogram:
        whole = Histogram()
        for step in self.steps:
            whole.merge(getattr(step, name))
        return whole

    @property
    def retries(self) -> int:
        """Attempts that had to be repeated."""
        return sum(number for status, number in self.attempts.items() if status != "202")

    @property
    def elapsed_s(self) -> float:
        """From the start to the last answer."""
        return max(self.stopped - self.started, 1e-9)
