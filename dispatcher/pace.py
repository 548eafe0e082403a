"""The lane's pace: the pacer of its share, held back while the carrier throttles. Outlives binds."""

from __future__ import annotations

from ratelimit.adaptive import Adaptive
from ratelimit.pacer import Pacer


class Pace:
    """`share`: segments a second. A new owner starts as if the last second had been used up (ratelimit.pacer)."""

    def __init__(self, share: int, now: float) -> None:
        self._pacer = Pacer(share, now)
        self._adaptive = Adaptive()

    @property
    def rate(self) -> float:
        """Segments a second that the lane allows itself now."""
        return self._pacer.rate

    @property
    def share(self) -> int:
        return self._pacer.share

    @property
    def throttled(self) -> bool:
        return self._adaptive.fraction < 1.0

    def available(self, now: float) -> int:
        """How many segments may be written at `now`."""
        if now < self._adaptive.paused_until:
            return 0
        if self._adaptive.fraction < 1.0:
            self._adapt(self._adaptive.recovered(now), now)
        return self._pacer.available(now)

    def took(self, segments: int, now: float) -> None:
        self._pacer.took(segments, now)

    def written(self, now: float) -> None:
        """What was taken last left at `now`: to encode it, or to be scheduled, took a moment."""
        self._pacer.written(now)

    def ready_at(self, segments: int, now: float) -> float:
        """When `segments` will be available, if nothing is taken before."""
        return max(self._pacer.ready_at(segments, now), self._adaptive.paused_until)

    def refused(self, now: float) -> None:
        """The carrier throttled, or its queue is full: all of the lane pauses (rule 11)."""
        self._adapt(self._adaptive.throttled(now), now)

    def set_share(self, share: int, now: float) -> None:
        """Another contract rate, or another number of lanes."""
        self._pacer.set_share(share, now)
        self._pacer.set_rate(share * self._adaptive.fraction, now)

    def _adapt(self, adaptive: Adaptive, now: float) -> None:
        if adaptive is not self._adaptive:
            self._adaptive = adaptive
            self._pacer.set_rate(self._pacer.share * adaptive.fraction, now)
