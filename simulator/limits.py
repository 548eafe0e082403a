"""The contract rate, exact: how many segments were accepted in the second that ends now, and the most there ever were."""

from __future__ import annotations

from collections import deque

NO_CAP = 1 << 62


class SlidingSecond:
    """Segments accepted in (now - 1 s, now]. `cap` is segments a second; None lets all in and still counts."""

    def __init__(self, cap: int | None) -> None:
        self.cap = cap
        self.most = 0
        self._used = 0
        self._runs: deque[list[float]] = deque()

    def room(self, now: float) -> int:
        """How many segments may still be accepted at `now` (monotonic seconds, never going back)."""
        runs = self._runs
        while runs and runs[0][0] <= now - 1.0:
            self._used -= int(runs.popleft()[1])
        return NO_CAP if self.cap is None else max(0, self.cap - self._used)

    def take(self, now: float, segments: int) -> None:
        """Counts what was accepted at `now`, after `room` of the same `now`."""
        if self._runs and self._runs[-1][0] == now:
            self._runs[-1][1] += segments
        else:
            self._runs.append([now, segments])
        self._used += segments
        self.most = max(self.most, self._used)
