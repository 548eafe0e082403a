"""What is due later, of the whole process, behind one timer: a push costs a look-up and an append, never a timer."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Generic, TypeVar

T = TypeVar("T")
TICKS_PER_S = 1000


class Wheel(Generic[T]):
    """Items by the millisecond in which they are due; never early, at most a millisecond late."""

    def __init__(self, on_earlier: Callable[[float], None]) -> None:
        self._buckets: dict[int, list[T]] = {}
        self._ticks: list[int] = []
        self._on_earlier = on_earlier

    def push(self, due: float, item: T) -> None:
        """`due` is monotonic seconds."""
        tick = int(due * TICKS_PER_S) + 1
        bucket = self._buckets.get(tick)
        if bucket is not None:
            bucket.append(item)
            return
        self._buckets[tick] = [item]
        heappush(self._ticks, tick)
        if self._ticks[0] == tick:
            self._on_earlier(tick / TICKS_PER_S)

    def take(self, now: float) -> list[T]:
        """What is due, in order of time, then of arrival."""
        # A microsecond of grace: seconds as floats do not come back exactly from ticks.
        ticks, last = self._ticks, int(now * TICKS_PER_S + 0.001)
        if not ticks or ticks[0] > last:
            return []
        due = self._buckets.pop(heappop(ticks))
        while ticks and ticks[0] <= last:
            due += self._buckets.pop(heappop(ticks))
        return due

    def next_due(self) -> float | None:
        return self._ticks[0] / TICKS_PER_S if self._ticks else None


class Agenda:
    """The wheels of a process and what drains each. `arm` is told when something is due before all that was known."""

    def __init__(self) -> None:
        self.arm: Callable[[float], None] = lambda _due: None
        self._wheels: list[tuple[Wheel[Any], Callable[[list[Any]], None]]] = []

    def wheel(self, drain: Callable[[list[T]], None]) -> Wheel[T]:
        """A new wheel; `drain` gets all that is due at once."""
        wheel: Wheel[T] = Wheel(self._earlier)
        self._wheels.append((wheel, drain))
        return wheel

    def _earlier(self, due: float) -> None:
        self.arm(due)

    def advance(self, now: float) -> None:
        """Drains what is due at `now`, monotonic seconds."""
        for wheel, drain in self._wheels:
            due = wheel.take(now)
            if due:
                drain(due)

    def next_due(self) -> float | None:
        """When `advance` has something to do; None when nothing waits."""
        return min((due for wheel, _ in self._wheels if (due := wheel.next_due()) is not None), default=None)
