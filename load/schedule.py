"""When each message is due: pure, in seconds from the start. Closed loop has no schedule, only an end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple


class Step(NamedTuple):
    """`rate` messages a second for `seconds`; a ramp climbs to it evenly from zero. Infinite seconds: no end."""

    rate: float
    seconds: float
    ramp: bool = False

    @property
    def messages(self) -> float:
        return self.rate * self.seconds / (2 if self.ramp else 1)


class Schedule:
    """Steps one after the other."""

    def __init__(self, steps: Sequence[Step]) -> None:
        """Raises ValueError for a rate or a duration that is not above zero."""
        if not steps or any(step.rate <= 0 or step.seconds <= 0 for step in steps):
            raise ValueError("each step needs a rate and a duration above 0")
        self.steps = tuple(steps)
        self.ends_s = tuple(accumulate(step.seconds for step in steps))
        self._upto = tuple(accumulate(step.messages for step in steps))

    @property
    def total(self) -> float:
        """Messages that are due until the end; infinite without one."""
        return self._upto[-1]

    def time_of(self, number: int) -> float | None:
        """When message `number` (from 0) is due; None when the schedule ends before."""
        for step, end_s, upto in zip(self.steps, self.ends_s, self._upto, strict=True):
            # An empty sum would be -0.0 or 1e-12 here and there: a message due exactly at the end belongs to the next step.
            if number < upto - 1e-9:
                done = number - (upto - step.messages) if math.isfinite(upto) else number - self._before(step)
                begin_s = end_s - step.seconds if math.isfinite(end_s) else self._begin(step)
                return begin_s + self._within(step, max(0.0, done))
        return None

    def step_at(self, elapsed_s: float) -> int:
        """Which step holds at a time; the last one afterwards."""
        return next((at for at, end_s in enumerate(self.ends_s) if elapsed_s < end_s), len(self.steps) - 1)

    def _before(self, step: Step) -> float:
        return sum(other.messages for other in self.steps[: self.steps.index(step)])

    def _begin(self, step: Step) -> float:
        return sum(other.seconds for other in self.steps[: self.steps.index(step)])

    @staticmethod
    def _within(step: Step, done: float) -> float:
        # A ramp has sent rate · t² / (2 · seconds) after t.
        return math.sqrt(2 * step.seconds * done / step.rate) if step.ramp else done / step.rate


def planned(rate: float, duration_s: float | None, ramp_s: float, steps: Sequence[float], step_s: float) -> Schedule:
    """The schedule of the command line: an optional ramp, then one rate or several."""
    plan = [Step(rate, step_s) for rate in steps] if steps else [Step(rate, duration_s or math.inf)]
    if ramp_s:
        plan.insert(0, Step(plan[0].rate, ramp_s, ramp=True))
    return Schedule(plan)
