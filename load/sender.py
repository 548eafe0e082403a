"""Sends: workers, one a connection, that take what is due next, hand it over and repeat what must be repeated.

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
from load.channels import Attempt, Channel, Requests, Stream
from load.connection import Endpoint, endpoint_of
from load.figures import Figures
from load.messages import SIGNS, Source
from load.options import Options
from load.parcels import Outcome, Parcel
from load.schedule import Schedule

_SWEEP_S: Final = 0.5
_ROOM_S: Final = 0.01
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 5.0


class Sender:
    """One run's sending. `schedule` None: closed loop."""

    def __init__(
        self, options: Options, source: Source, schedule: Schedule | None, figures: Figures, book: Book | None
    ) -> None:
        """Raises ConfigError for a wrong address."""
        self._options = options
        self._source = source
        self._schedule = schedule
        self._figures = figures
        self._book = book
        self._luck = random.SystemRandom()
        # Keys of another run must not be repeated: they would be answered with that run's ids.
        self._run = "load-" + "".join(self._luck.choice(SIGNS) for _ in range(12)) if options.idempotency else None
        self._number = 0
        self._taken = 0
        self._ended = False
        self._sleeping: set[asyncio.Task[None]] = set()
        endpoints = [endpoint_of(url) for url in options.urls]
        self._channels = [self._channel(endpoints[at % len(endpoints)]) for at in range(options.connections)]

    def _channel(self, endpoint: Endpoint) -> Requests | Stream:
        options = self._options
        if options.mode == "ndjson":
            return Stream(endpoint, options.key, self._run, options.timeout_s, options.stream_lines)
        return Requests(endpoint, options.key, options.mode == "single", self._run, options.timeout_s)

    @property
    def batches(self) -> list[str]:
        """The batches that were made."""
        return list(dict.fromkeys(batch for channel in self._channels for batch in channel.batches))

    def stop(self) -> None:
        """Nothing more is begun; what is under way is finished."""
        self._ended = True
        for task in self._sleeping:
            task.cancel()

    async def run(self) -> None:
        """Until everything was sent or `stop`. Raises OperatorError."""
        self._figures.started = self._figures.stopped = time.monotonic()
        sweep = asyncio.create_task(self._sweep())
        workers = [asyncio.create_task(self._work(channel)) for channel in self._channels]
        try:
            await asyncio.gather(*workers)
        finally:
            for task in (sweep, *workers):
                task.cancel()
            await asyncio.gather(sweep, *workers, return_exceptions=True)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            now = time.monotonic()
            for channel in self._channels:
                channel.connection.expire(now)

    async def _work(self, channel: Channel) -> None:
        while await self._room() and (parcel := self._next()) is not None:
            if not await self._due(parcel):
                self._figures.planned -= len(parcel.messages)
                break
            step = self._figures.steps[self._step(parcel)]
            if self._schedule is not None:
                step.late.add(max(0.0, time.monotonic() - parcel.since), len(parcel.messages))
            await self._deliver(channel, parcel)
        await channel.finish()

    async def _room(self) -> bool:
        """Waits while as many messages are under way as may be. Always true."""
        most, figures = self._options.outstanding, self._figures
        while most and not self._ended and figures.accepted + figures.in_flight - figures.ended >= most:
            await asyncio.sleep(_ROOM_S)
        return True

    async def _due(self, parcel: Parcel) -> bool:
        """Waits until it is due; False when the run was stopped before."""
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
            await self._repeat(channel, parcel)
        finally:
            # Also when we are cancelled: what is under way then may have been accepted.
            self._close(parcel)

    async def _repeat(self, channel: Channel, parcel: Parcel) -> None:
        """Attempts until it is settled, may not be repeated, or patience ends."""
        began, pause_s = time.monotonic(), _FIRST_PAUSE_S
        while True:
            attempt = await self._attempt(channel, parcel)
            if attempt.outcome is Outcome.SETTLED:
                return
            if attempt.outcome is Outcome.UNSURE and self._run is None:
                return
            wait_s = max(attempt.wait_s or 0.0, pause_s * self._luck.random())
            if time.monotonic() + wait_s - began > self._options.retry_for_s:
                return
            await asyncio.sleep(wait_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _attempt(self, channel: Channel, parcel: Parcel) -> Attempt:
        try:
            # Sending may be cut short at any point from here on.
            was_unsure, parcel.unsure = parcel.unsure, True
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
