"""Whether a flush should wait a moment for clients who are about to come back. Pure."""

from __future__ import annotations


class Returning:
    """Clients with a connection each send their next request when the last one is answered: right after a flush was
    acknowledged as many entries can be expected as it had, with those that wait already. (Not as many calls: requests that
    come together are one.)

    `most_s`: how long after the acknowledgement they are waited for; 0: never.
    """

    __slots__ = ("_answered_at", "_expected", "_most_s", "_waiting")

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self._expected = 0
        self._waiting = 0
        self._answered_at = -most_s

    def came(self, entries: int) -> bool:
        """A call with so many entries came. Gives whether all that are expected are there."""
        self._waiting += entries
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
        """A flush of so many entries was acknowledged."""
        self._expected = count + self._waiting
        self._answered_at = now
