"""How much new traffic a carrier gets, by its binds: none while it is down for too long, and back in steps when it is up.

Pure: `now` (monotonic seconds) is passed in. All of it at once would meet a carrier that has just come up, with the backlog
that waits there already; and one that flaps would take every message along each time.
"""

from __future__ import annotations

from typing import Final

STEPS: Final = 10
STEP_S: Final = 6.0
"""From nothing to all in a minute."""


class Ramp:
    """Of one carrier. Until it has been down for too long once, it gets all of its traffic."""

    def __init__(self) -> None:
        self._steps = STEPS
        self._stepped_at = 0.0
        self._down_since: float | None = None

    @property
    def share(self) -> float:
        """From 0 (none) to 1 (all), as the last look found."""
        return self._steps / STEPS

    def look(self, up: bool, now: float, failover_after_s: float) -> float:
        """`up`: at least one lane is bound. Gives the share."""
        if not up:
            self._down_since = now if self._down_since is None else self._down_since
            if now - self._down_since >= failover_after_s:
                self._steps = 0
            self._stepped_at = now  # a ramp stands still while the carrier is down
            return self.share
        self._down_since = None
        if self._steps == 0:
            self._steps, self._stepped_at = 1, now
        elif self._steps < STEPS:
            done = int((now - self._stepped_at) // STEP_S)
            self._steps = min(STEPS, self._steps + done)
            self._stepped_at += done * STEP_S
        return self.share
