"""A rate that gives way when the carrier throttles: down by a factor, back up by steps, never above the share.

The carrier's window and ours are out of step, so the first refusals come at the contract rate itself: one factor a
`HOLD_S`, not one a refusal, or a burst of refusals in one window would bring the rate to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

DECREASE: Final = 0.7
FLOOR: Final = 0.05
HOLD_S: Final = 0.5
STEP: Final = 0.05
STEP_S: Final = 1.0
PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Adaptive:
    """`fraction` of the share to use; `paused_until`: send nothing before. Survives a rebind of the lane."""

    fraction: float = 1.0
    paused_until: float = 0.0
    pause_s: float = PAUSE_S
    decreased_at: float = -1e9
    increased_at: float = 0.0

    def throttled(self, now: float) -> Adaptive:
        """After ESME_RTHROTTLED or ESME_RMSGQFUL. Refusals within one hold count as one."""
        if now < self.decreased_at + HOLD_S:
            return self
        # Counted from the end of the pause: else a pause longer than this would always begin anew at the shortest.
        again = now < self.decreased_at + self.pause_s + 4 * HOLD_S
        pause = min(self.pause_s * 2, LONGEST_PAUSE_S) if again else PAUSE_S
        return Adaptive(max(FLOOR, self.fraction * DECREASE), now + pause, pause, now, now)

    def recovered(self, now: float) -> Adaptive:
        """Steps up when enough time went by without a refusal."""
        if self.fraction >= 1.0 or now < self.increased_at + STEP_S or now < self.decreased_at + STEP_S:
            return self
        return replace(self, fraction=min(1.0, self.fraction + STEP), increased_at=now)
