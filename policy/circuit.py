"""A circuit breaker by error rate: a carrier that answers, but with its own faults, is as good as down.

Pure: `now` (monotonic seconds) is passed in. Counts answers in slots of a second over the last ten.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Final

SPAN_S: Final = 10
LEAST_ANSWERS: Final = 20
TRIP_SHARE: Final = 0.8
REST_S: Final = 15.0
PROBES: Final = 5


class CircuitState(Enum):
    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"


class Circuit:
    """`failed` is a temporary fault of the carrier; throttling and refusals of one message are not."""

    def __init__(self) -> None:
        self.state = CircuitState.CLOSED
        self.rests_until = 0.0
        """While open: when it lets probes through."""
        self.since = 0.0
        """When it opened and has not closed since."""
        self._slots: deque[tuple[int, int, int]] = deque()
        self._probes_left = 0
        self._probes_good = 0

    def allows(self, now: float) -> int | None:
        """How many segments may be written now: None without a limit, 0 while open."""
        if self.state is CircuitState.CLOSED:
            return None
        if self.state is CircuitState.OPEN:
            if now < self.rests_until:
                return 0
            self.state, self._probes_left, self._probes_good = CircuitState.PROBING, PROBES, 0
        return self._probes_left

    def wrote(self, segments: int) -> None:
        if self.state is CircuitState.PROBING:
            self._probes_left = max(0, self._probes_left - segments)

    def answered(self, good: int, failed: int, now: float) -> None:
        """Answers that came at `now`."""
        if self.state is CircuitState.PROBING:
            self._probed(good, failed, now)
            return
        second = int(now)
        if self._slots and self._slots[-1][0] == second:
            _, good_before, failed_before = self._slots.pop()
            good, failed = good + good_before, failed + failed_before
        self._slots.append((second, good, failed))
        while self._slots[0][0] <= second - SPAN_S:
            self._slots.popleft()
        goods = sum(slot[1] for slot in self._slots)
        faults = sum(slot[2] for slot in self._slots)
        if faults + goods >= LEAST_ANSWERS and faults >= TRIP_SHARE * (faults + goods):
            self._open(now)

    def unanswered(self, now: float) -> None:
        """A segment got no answer. Of a probe that is a fault too: else a lane whose probes are lost would wait for ever."""
        if self.state is CircuitState.PROBING:
            self._open(now, keep=True)

    def _probed(self, good: int, failed: int, now: float) -> None:
        if failed:
            self._open(now, keep=True)
            return
        self._probes_good += good
        if self._probes_good >= PROBES:
            self.state = CircuitState.CLOSED

    def _open(self, now: float, keep: bool = False) -> None:
        # A failed probe does not start the time to failover anew.
        self.since = self.since if keep else now
        self.state, self.rests_until = CircuitState.OPEN, now + REST_S
        self._slots.clear()
