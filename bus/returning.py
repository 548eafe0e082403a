"""Whether a flush should wait a moment for callers who are about to come back. Pure."""

from __future__ import annotations


class Returning:
    """Clients with a connection each send their next request when the last one is answered: right after a flush was
    acknowledged as many calls can be expected as it answered, with those that wait already. Of 15,000
    messages over 64 connections that made 421 flushes instead of 610 with 20 ms, and 276 with 30 (measured, in different minutes).

    `most_s`: how long after the acknowledgement they are waited for; 0: never.
    """

    __slots__ = ("_answered_at", "_expected", "_most_s", "_waiting")

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self._expected = 0
        self._waiting = 0
        self._answered_at = -most_s

    def called(self) -> bool:
        """A call came. Gives whether all who are expected are there."""
        self._waiting += 1
        return self._waiting >= self._expected

    def wait_s(self, now: float) -> float:
        """How long those who are there should wait for the others, in seconds."""
        if self._waiting >= self._expected:
            return 0.0
        return max(0.0, self._answered_at + self._most_s - now)

    def left(self) -> int:
        """All who were there leave in a flush. Gives how many."""
        count, self._waiting = self._waiting, 0
        return count

    def answered(self, count: int, now: float) -> None:
        """A flush of so many calls was acknowledged."""
        self._expected = count + self._waiting
        self._answered_at = now
