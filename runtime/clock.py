"""Time as a value: a process has one Clock, tests have one they move by hand.

Timers and rates use `monotonic` only, so that a step of the wall clock neither fires nor stalls one; `wall_ms` is for
what people and other systems read.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...

    def wall_ms(self) -> int:
        """Unix time in milliseconds."""
        ...


class SystemClock:
    """The machine's clocks."""

    monotonic = staticmethod(time.monotonic)

    @staticmethod
    def wall_ms() -> int:
        return time.time_ns() // 1_000_000


class ManualClock:
    """Virtual time for tests: stands still until advanced."""

    def __init__(self, start: float = 1000.0, wall_ms: int = 1_790_000_000_000) -> None:
        self._now = start
        self._wall_ms = wall_ms

    def monotonic(self) -> float:
        return self._now

    def wall_ms(self) -> int:
        return self._wall_ms

    def advance(self, seconds: float) -> None:
        """Moves both clocks on. Raises ValueError when asked to go back."""
        if seconds < 0:
            raise ValueError("time does not go back")
        self._now += seconds
        self._wall_ms += round(seconds * 1000)
