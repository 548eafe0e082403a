"""One run: sends, looks at what comes out meanwhile, waits for the end if asked, and gives the verdict."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from load.batches import Batches
from load.book import Book
from load.figures import Figures, Sample, Seen
from load.messages import Source
from load.options import Options
from load.probes import Watch
from load.schedule import Schedule, planned
from load.sender import Sender
from load.verdict import Verdict, judge

SAMPLE_S: Final = 0.5
_FINAL_POLL_S: Final = 0.25
_OUTSTANDING_POLL_S: Final = 0.1


@dataclass(frozen=True)
class Result:
    """What a run came to. `final_s`: from the first request until everything was final; None when not waited for."""

    options: Options
    schedule: Schedule | None
    figures: Figures
    seen: Seen
    steps: list[Verdict]
    segments: float | None
    final: int | None = None
    final_s: float | None = None
    stopped_early: bool = False

    @property
    def clean(self) -> bool:
        """Whether each message got its 202."""
        figures = self.figures
        return not (figures.rejected or figures.unanswered or figures.unsent or self.stopped_early)

    @property
    def behind(self) -> bool:
        """Whether a rate was tried that was not sustained. A count that was waited for claims no rate of intake."""
        waited = self.final_s is not None and not self.options.is_open and self.options.duration_s is None
        return not waited and any(step.sustained is False for step in self.steps)


class Run:
    """A run that others may look at while it lasts."""

    def __init__(
        self,
        options: Options,
        source: Source,
        watch: Watch,
        book: Book | None = None,
        show: Callable[[Figures, Seen, str], None] = lambda _figures, _seen, _phase: None,
    ) -> None:
        """`show` is called after each look, with what is going on. Raises ConfigError."""
        self._options = options
        self._source = source
        self._watch = watch
        self._show = show
        self.schedule = _schedule_of(options)
        self.figures = Figures(len(self.schedule.steps) if self.schedule else 1)
        self._sender = Sender(options, source, self.schedule, self.figures, book)
        self._stopped = False
        self.seen = Seen()

    def stop(self) -> None:
        """Sends nothing more; what is under way is finished, and the wait for the end is over."""
        self._stopped = True
        self._sender.stop()

    async def go(self, wait_final_s: float | None = None) -> Result:
        """Raises OperatorError."""
        await self._watch.begin()
        # Nothing of what lives for the whole run needs to be looked at again and again.
        gc.collect()
        gc.freeze()
        sampling = asyncio.create_task(self._sample())
        try:
            await self._sender.run()
        finally:
            sampling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sampling
            gc.unfreeze()
        await self._look(time.monotonic(), "sent")
        final, final_s = await self._wait_final(wait_final_s) if wait_final_s else (None, None)
        steps = self._verdicts()
        return Result(
            self._options, self.schedule, self.figures, self.seen, steps, self._source.segments, final, final_s,
            self._stopped,
        )  # fmt: skip

    async def _sample(self) -> None:
        while True:
            await self._look(time.monotonic(), "sending")
            await asyncio.sleep(_OUTSTANDING_POLL_S if self._options.outstanding else SAMPLE_S)

    async def _look(self, now: float | None, phase: str) -> None:
        self.seen = await self._watch.look(now)
        figures, seen = self.figures, self.seen
        figures.ended = next((told for told in (seen.final, seen.receipts, seen.submitted) if told is not None), 0)
        at_s = time.monotonic() - (figures.started or time.monotonic())
        figures.samples.append(Sample(at_s, figures.accepted, self.seen))
        self._show(figures, self.seen, phase)

    async def _wait_final(self, budget_s: float) -> tuple[int, float | None]:
        """(messages that are final, seconds from the start until all were; None when the budget did not do)."""
        figures = self.figures
        batches = None if self._watch.tells_final else Batches(self._options, self._sender.batches)
        deadline = time.monotonic() + budget_s
        try:
            while True:
                await self._look(time.monotonic(), "waiting for the end")
                final = await batches.final() if batches else self.seen.final or 0
                if final >= figures.accepted:
                    return final, time.monotonic() - figures.started
                if time.monotonic() >= deadline or self._stopped:
                    return final, None
                await asyncio.sleep(_FINAL_POLL_S)
        finally:
            if batches:
                await batches.close()

    def _verdicts(self) -> list[Verdict]:
        figures, segments = self.figures, self._source.segments
        sent_s = figures.elapsed_s
        if self.schedule is None:
            return [judge(figures.samples, 0.0, sent_s, None, segments)]
        verdicts, begin_s = [], 0.0
        for step, planned_end_s in zip(self.schedule.steps, self.schedule.ends_s, strict=True):
            end_s = min(planned_end_s, sent_s)
            if end_s > begin_s:
                asked = None if step.ramp else step.rate
                verdict = judge(figures.samples, begin_s, end_s, asked, segments)
                # A ramp is the way to a rate, not one.
                verdicts.append(verdict._replace(sustained=None, reason="ramp") if step.ramp else verdict)
            begin_s = planned_end_s
        return verdicts


def _schedule_of(options: Options) -> Schedule | None:
    if not options.is_open:
        return None
    return planned(options.rate or 0.0, options.duration_s, options.ramp_s, options.steps, options.step_s)
