"""Sends: a worker for each connection, until all is sent or the run is stopped."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Final

from load.book import Book
from load.channels import Requests, Stream
from load.connection import Endpoint, endpoint_of
from load.figures import Figures
from load.messages import SIGNS, Source
from load.options import Options
from load.schedule import Schedule
from load.work import Work

_SWEEP_S: Final = 0.5


class Sender:
    """One run's sending. `schedule` None: closed loop."""

    def __init__(
        self, options: Options, source: Source, schedule: Schedule | None, figures: Figures, book: Book | None
    ) -> None:
        """Raises ConfigError for a wrong address."""
        self._options = options
        self._figures = figures
        self._work = Work(options, source, schedule, figures, book)
        luck = random.SystemRandom()
        # Keys of another run must not be repeated: they would be answered with that run's ids.
        self._run = "load-" + "".join(luck.choice(SIGNS) for _ in range(12)) if options.idempotency else None
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
        self._work.stop()

    async def run(self) -> None:
        """Until everything was sent or `stop`. Raises OperatorError."""
        self._figures.started = self._figures.stopped = time.monotonic()
        sweep = asyncio.create_task(self._sweep())
        workers = [asyncio.create_task(self._work.serve(channel)) for channel in self._channels]
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
