"""What one run's workers share, and what each does: take what is due next, hand it over, repeat what must be repeated.

Open loop without a queue: a worker takes the next number, sleeps until its planned time and sends. When all are busy the
number is taken late, and the lateness counts, since latency is measured from the planned time.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from typing import Final

from load.book import Book
from load.channels import Attempt, Channel
from load.figures import Figures
from load.messages import Source
from load.options import Options
from load.parcels import Outcome, Parcel
from load.schedule import Schedule

_ROOM_S: Final = 0.01
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 5.0


class Work:
    """One run's. `schedule` None: closed loop; `book` None: none is kept."""

    def __init__(
        self, options: Options, source: Source, schedule: Schedule | None, figures: Figures, book: Book | None
    ) -> None:
        self._options = options
        self._source = source
        self._schedule = schedule
        self._figures = figures
        self._book = book
        self._luck = random.Random()
        self._number = 0
        self._taken = 0
        self._ended = False
        self._sleeping: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Nothing more is begun; what is under way is finished."""
        self._ended = True
        for task in self._sleeping:
            task.cancel()

    async def serve(self, channel: Channel) -> None:
        """Until nothing more is to be sent. Raises OperatorError."""
        while True:
            if self._is_full():
                await self.room()
            parcel = self._next()
            if parcel is None or not await self._on_time(parcel):
                break
            await self._deliver(channel, parcel)
        await channel.finish()

    def _is_full(self) -> bool:
        """Whether as many messages are under way as may be."""
        most, figures = self._options.outstanding, self._figures
        if not most or self._ended:
            return False
        return figures.accepted + figures.in_flight - figures.ended >= most

    async def room(self) -> None:
        """Waits until another message may be under way."""
        while self._is_full():
            await asyncio.sleep(_ROOM_S)

    async def _on_time(self, parcel: Parcel) -> bool:
        """Waits until it is due; False when the run was stopped before."""
        if self._schedule is None:
            return True
        if not await self._due(parcel):
            self._figures.planned -= len(parcel.messages)
            return False
        late_s = max(0.0, time.monotonic() - parcel.since)
        self._figures.steps[self._step(parcel)].late.add(late_s, len(parcel.messages))
        return True

    async def _due(self, parcel: Parcel) -> bool:
        ahead_s = parcel.since - time.monotonic()
        if ahead_s <= 0:
            return True
        task = asyncio.current_task()
        assert task is not None
        self._sleeping.add(task)
        try:
            await asyncio.sleep(ahead_s)
        except asyncio.CancelledError:
            if not self._ended:
                raise
            return False
        finally:
            self._sleeping.discard(task)
        return True

    def _step(self, parcel: Parcel) -> int:
        return 0 if self._schedule is None else self._schedule.step_at(parcel.since - self._figures.started)

    def _next(self) -> Parcel | None:
        """The next parcel, with the time at which it is due; None when there are no more."""
        options, started = self._options, self._figures.started
        since = time.monotonic()
        if self._schedule is not None:
            planned = self._schedule.time_of(self._number * options.size)
            since = math.inf if planned is None else started + planned
        if self._ended or since == math.inf or since - started >= (options.duration_s or math.inf) + options.ramp_s:
            return None
        most = options.size if options.count is None else min(options.size, options.count - self._taken)
        messages = self._source.take(most) if most > 0 else []
        if not messages:
            return None
        parcel = Parcel(self._number, messages, since)
        self._number += 1
        self._taken += len(messages)
        self._figures.planned += len(messages)
        return parcel

    async def _deliver(self, channel: Channel, parcel: Parcel) -> None:
        self._figures.in_flight += len(parcel.messages)
        try:
            attempt = await self._attempt(channel, parcel)
            if attempt.outcome is not Outcome.SETTLED:
                await self._repeat(channel, parcel, attempt)
        finally:
            # Also when we are cancelled: what is under way then may have been accepted.
            self._close(parcel)

    async def _repeat(self, channel: Channel, parcel: Parcel, attempt: Attempt) -> None:
        """After a first attempt: until it is settled, may not be repeated, or patience ends."""
        began, pause_s = time.monotonic(), _FIRST_PAUSE_S
        while attempt.outcome is not Outcome.SETTLED:
            if attempt.outcome is Outcome.UNSURE and not self._options.idempotency:
                return
            wait_s = max(attempt.wait_s or 0.0, pause_s * self._luck.random())
            if time.monotonic() + wait_s - began > self._options.retry_for_s:
                return
            await asyncio.sleep(wait_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            attempt = await self._attempt(channel, parcel)

    async def _attempt(self, channel: Channel, parcel: Parcel) -> Attempt:
        # Sending may be cut short at any point from here on.
        was_unsure, parcel.unsure = parcel.unsure, True
        try:
            attempt = await channel.attempt(parcel)
        except OSError:
            parcel.unsure = was_unsure
            self._figures.attempts["no connection"] += 1
            return Attempt(Outcome.REFUSED)
        if attempt.outcome is Outcome.REFUSED:
            parcel.unsure = was_unsure
        self._figures.attempts[str(attempt.status or "no answer")] += 1
        return attempt

    def _close(self, parcel: Parcel) -> None:
        """Counts and books what is known of the parcel now."""
        figures, open_ = self._figures, parcel.open
        accepted = len(parcel.messages) - open_ - len(parcel.codes)
        figures.in_flight -= len(parcel.messages)
        figures.accepted += accepted
        if parcel.codes:
            figures.rejected.update(parcel.codes.values())
        if accepted:
            figures.stopped = time.monotonic()
            step = figures.steps[self._step(parcel)]
            step.accepted += accepted
            step.latency.add(figures.stopped - parcel.since, accepted)
            if self._book is not None:
                self._book.accepted(parcel.messages, parcel.ids, time.time())
        if open_ and parcel.unsure:
            figures.unanswered += open_
            if self._book is not None:
                self._book.unanswered(parcel.left())
        elif open_:
            figures.unsent += open_
