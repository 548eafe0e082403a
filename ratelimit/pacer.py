"""The rate of one lane: a ring that keeps the contract, a token bucket in front of it that keeps the flow smooth.

The ring remembers the writes of the last `WINDOW_S`: never are more than `share` in any sliding second, however late the
event loop runs. The bucket (rate = share or less, burst about a tenth of a second) spreads them. A bucket alone that kept the
contract would have to stay below it: under stalls of 20 ms it reaches 90 to 93 %, with the ring 99 % (DESIGN §4).

Writes of one moment are kept as one run, so a grant costs the same for one segment and for fifty.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

WINDOW_S: Final = 1.005
"""A second, and half a hundredth for clocks that disagree about it."""
BURST_S: Final = 0.1


class Grant(NamedTuple):
    """May be written now."""

    segments: int


class Wait(NamedTuple):
    """Nothing before `until` (monotonic seconds)."""

    until: float


def _burst(rate: float, share: int) -> float:
    # At least two, so that a late wake-up at a low rate is made good; the ring still holds the contract.
    return min(float(share), max(2.0, rate * BURST_S))


class Pacer:
    """`take` asks and takes in one step; `available` and `took` are the same for a batch."""

    def __init__(self, share: int, now: float, *, fresh: bool = False) -> None:
        """A new owner starts as if the last second had been used up: who wrote in it is not known. `fresh`: nobody did."""
        if share < 1:
            raise ValueError("a share is at least one segment a second")
        self.share = share
        self.rate = float(share)
        self._burst = _burst(share, share)
        self._tokens = 1.0
        self._filled_at = now
        self._runs: deque[tuple[float, int]] = deque()
        self._in_window = 0
        if not fresh:
            self._runs.append((now, share))
            self._in_window = share

    def set_rate(self, rate: float, now: float) -> None:
        """A rate below the share (throttling), in segments a second; above it is cut to the share."""
        self._fill(now)
        self.rate = min(max(rate, 0.001), float(self.share))
        self._burst = _burst(self.rate, self.share)
        self._tokens = min(self._tokens, self._burst)

    def set_share(self, share: int, now: float) -> None:
        """Another contract or number of lanes; what was written in the last second still counts."""
        if share < 1:
            raise ValueError("a share is at least one segment a second")
        at_full_rate = self.rate >= self.share
        self.share = share
        self.set_rate(float(share) if at_full_rate else self.rate, now)

    def available(self, now: float) -> int:
        """How many segments may be written at `now`."""
        self._fill(now)
        self._forget(now)
        return max(0, min(int(self._tokens + 1e-9), self.share - self._in_window))

    def took(self, segments: int, now: float) -> None:
        """Notes a write of what `available` allowed."""
        self._tokens -= segments
        self._in_window += segments
        if self._runs and self._runs[-1][0] == now:
            segments += self._runs.pop()[1]
        self._runs.append((now, segments))

    def written(self, now: float) -> None:
        """The last of what was `took` left at `now`, later than it was asked for: the second counts from there."""
        if self._runs:
            when, count = self._runs.pop()
            self._runs.append((max(when, now), count))

    def take(self, segments: int, now: float) -> Grant | Wait:
        """All of `segments` now, or when to ask again. Raises ValueError for more than could ever be had at once."""
        if segments > min(self.share, int(self._burst)):
            raise ValueError(f"{segments} segments at once exceed the burst of {int(self._burst)}")
        if self.available(now) >= segments:
            self.took(segments, now)
            return Grant(segments)
        return Wait(self.ready_at(segments, now))

    def ready_at(self, segments: int, now: float) -> float:
        """When `segments` will be available, if nothing is taken before."""
        at = now
        if self._tokens < segments:
            at = now + (segments - self._tokens) / self.rate
        missing = self._in_window + segments - self.share
        for when, count in self._runs:
            if missing <= 0:
                break
            at = max(at, when + WINDOW_S)
            missing -= count
        return at

    def _fill(self, now: float) -> None:
        if now > self._filled_at:
            self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self.rate)
            self._filled_at = now

    def _forget(self, now: float) -> None:
        runs, limit = self._runs, now - WINDOW_S
        while runs and runs[0][0] <= limit:
            self._in_window -= runs.popleft()[1]
