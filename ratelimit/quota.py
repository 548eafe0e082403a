"""How many messages an account may hand over: a token bucket for the rate, a count for the day. Pure.

The bucket holds one second's worth. What is larger than the bucket is let in when the bucket is full, and paid back before
anything else gets in: so no batch is impossible, and the rate holds on average. A day is a UTC day, and is never exceeded.
"""

from __future__ import annotations

from math import ceil
from typing import Final, Literal, NamedTuple

DAY_MS: Final = 86_400_000
Policy = Literal["second", "day"]


class Exceeded(NamedTuple):
    """Not now. `left`: how many would be let in at once; `retry_after_s`: when all of them may be, at least 1."""

    policy: Policy
    left: int
    retry_after_s: int


class Standing(NamedTuple):
    """One policy as it stands: `quota` in `window_s` seconds, `left` now, whole again in `reset_s`."""

    policy: Policy
    quota: int
    window_s: int
    left: int
    reset_s: int


class Quota:
    """Of one account. `now` is monotonic seconds, `now_ms` Unix milliseconds; a limit of 0 is none."""

    def __init__(self, rate_per_s: int, per_day: int, now: float, now_ms: int) -> None:
        self.rate_per_s = rate_per_s
        self.per_day = per_day
        self._tokens = float(rate_per_s)
        self._filled_at = now
        self._used = 0
        self._day = now_ms // DAY_MS

    def change(self, rate_per_s: int, per_day: int, now: float) -> None:
        """Other limits; what was used counts on. A debt stays, a rate that is new begins with a full bucket."""
        self._fill(now)
        self._tokens = min(self._tokens, float(rate_per_s)) if self.rate_per_s else float(rate_per_s)
        self.rate_per_s, self.per_day = rate_per_s, per_day

    def know_used(self, count: int, day: int) -> None:
        """What others know of `day` (of Unix time): at least so many were let in. Of another day it is stale."""
        if day == self._day:
            self._used = max(self._used, count)

    def take(self, count: int, now: float, now_ms: int) -> Exceeded | None:
        """All of `count`, or none of them."""
        self._roll(now, now_ms)
        if self.per_day and self._used + count > self.per_day:
            return Exceeded("day", self._left(), self._day_ends_in_s(now_ms))
        if self.rate_per_s and count > self._tokens + 1e-9:
            missing = min(count, self.rate_per_s) - self._tokens
            if missing > 1e-9:
                return Exceeded("second", self._left(), max(1, ceil(missing / self.rate_per_s)))
        self._spend(count)
        return None

    def take_some(self, count: int, now: float, now_ms: int) -> int:
        """As many of `count` as are let in at once."""
        self._roll(now, now_ms)
        taken = min(count, self._left())
        self._spend(taken)
        return taken

    def give_back(self, count: int) -> None:
        """What was taken and not used after all."""
        self._tokens = min(self._tokens + count, float(self.rate_per_s))
        self._used = max(0, self._used - count)

    def standing(self, now: float, now_ms: int) -> list[Standing]:
        """Each limit as it stands."""
        self._roll(now, now_ms)
        found = []
        if self.rate_per_s:
            full_in_s = ceil((self.rate_per_s - self._tokens) / self.rate_per_s)
            found.append(Standing("second", self.rate_per_s, 1, max(0, int(self._tokens + 1e-9)), full_in_s))
        if self.per_day:
            left = max(0, self.per_day - self._used)
            found.append(Standing("day", self.per_day, DAY_MS // 1000, left, self._day_ends_in_s(now_ms)))
        return found

    def _left(self) -> int:
        left = [int(self._tokens + 1e-9)] if self.rate_per_s else []
        left += [self.per_day - self._used] if self.per_day else []
        return max(0, min(left, default=0)) if left else 1 << 31

    def _spend(self, count: int) -> None:
        self._tokens -= count
        self._used += count

    def _roll(self, now: float, now_ms: int) -> None:
        self._fill(now)
        day = now_ms // DAY_MS
        if day > self._day:  # a wall clock that steps back gives nothing anew
            self._day, self._used = day, 0

    def _fill(self, now: float) -> None:
        if now > self._filled_at:
            self._tokens = min(float(self.rate_per_s), self._tokens + (now - self._filled_at) * self.rate_per_s)
            self._filled_at = now

    @staticmethod
    def _day_ends_in_s(now_ms: int) -> int:
        return max(1, ceil((DAY_MS - now_ms % DAY_MS) / 1000))
