"""The recorder as a process: ends when something is missing at its start, runs, and starts over when carriers.toml has changed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from typing import Final

from recorder.assembly import TopicMissing, Works, assemble, find_sources
from recorder.sources import Sources
from runtime import collector
from runtime.errors import ConfigError, UnavailableError
from runtime.health import Health, HealthServer
from runtime.lifecycle import Lifecycle, Part
from runtime.logs import logger
from runtime.settings import Settings
from runtime.tasks import end
from runtime.vitals import Vitals
from schemas.carriers import CarrierBook
from store.pool import require_tables

log = logger("recorder")
STOP_BUDGET_S: Final = 8.0
LOOK_S: Final = 2.0
"""How often carriers.toml, and while they are missing its topics, are looked at."""

Load = Callable[[], CarrierBook]
"""Reads carriers.toml; raises ConfigError."""


class RecorderProcess:
    """See the module. `works` is there once the topics are known."""

    def __init__(self, settings: Settings, load: Load, health: Health) -> None:
        """Raises ConfigError: the first reading must do."""
        self._settings = settings
        self._load = load
        self._stamp = _stamp(settings.carriers_file)
        self._book = load()
        self._asked = asyncio.Event()
        self._fault = "the topics are not known yet"
        self._file_fault: str | None = None
        self.works: Works | None = None
        health.add("postgres", lambda: self.works.recorder.postgres_check() if self.works else None)
        health.add("kafka", lambda: self.works.recorder.kafka_check() if self.works else self._fault)
        health.add("release", lambda: self.works.recorder.release_check() if self.works else None)
        health.add("carriers", lambda: self._file_fault)

    async def check(self) -> None:
        """Whether everything is there to begin with; later it is waited for. Raises ConfigError, UnavailableError."""
        try:
            await find_sources(self._settings, self._book)
        except TopicMissing as fault:
            raise ConfigError(*str(fault).split(": ", 1)) from None
        await require_tables(self._settings.postgres_dsn, "recorder")

    async def run(self) -> None:
        """Until canceled. Raises what can't be waited out."""
        while True:
            works = assemble(self._settings, self._book, await self._find_sources())
            await self._run(works)

    def reread(self) -> None:
        """Looks at carriers.toml now, though it seems unchanged: a variable that it names may have changed."""
        self._stamp = (0, 0)
        self._asked.set()

    async def _find_sources(self) -> Sources:
        while True:
            try:
                return await find_sources(self._settings, self._book)
            except (TopicMissing, UnavailableError) as fault:
                self._fault = str(fault)
                log.warning("not_started_yet", fault=str(fault))
            await asyncio.sleep(LOOK_S)
            self._book = self._read_if_changed() or self._book

    async def _run(self, works: Works) -> None:
        """Until carriers.toml asks for another recorder. Raises what ended the work."""
        self.works = works
        tasks = [
            asyncio.create_task(work) for work in (works.recorder.run(), works.housekeeping.run(), self._change(works))
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await end(*tasks)
            await works.stop()
            self.works = None

    async def _change(self, works: Works) -> None:
        """Returns when the carriers are others, as far as they concern the recorder, and their topics are there."""
        wanted = self._book
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._asked.wait()
            self._asked.clear()
            wanted = self._read_if_changed() or wanted
            if _concern(wanted) == _concern(self._book):
                self._book = wanted
                continue
            try:
                await find_sources(self._settings, wanted)
            except (TopicMissing, UnavailableError, ConfigError) as fault:
                self._file_fault = f"{fault} (the carriers as they were before stay in use)"
                continue
            self._book, self._file_fault = wanted, None
            log.info("carriers_changed", carriers=sorted(wanted.carriers), before=len(works.sources.names))
            return

    def _read_if_changed(self) -> CarrierBook | None:
        stamp = _stamp(self._settings.carriers_file)
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        try:
            book = self._load()
        except ConfigError as fault:
            self._file_fault = f"{fault} (the carriers as they were before stay in use)"
            log.error("carriers_not_read", fault=str(fault))
            return None
        self._file_fault = None
        return book


def _stamp(path: str) -> tuple[int, int]:
    """What tells one version of a file from another."""
    with contextlib.suppress(OSError):
        found = os.stat(path)
        return found.st_mtime_ns, found.st_size
    return (0, 0)


def _concern(book: CarrierBook) -> object:
    """What of the carriers the recorder depends on."""
    return [
        (name, carrier.partitions, carrier.receipts, carrier.receipt_timeout_s)
        for name, carrier in sorted(book.carriers.items())
    ]


async def run_recorder(settings: Settings, load: Load) -> int:
    """Until told to stop. Raises ConfigError, UnavailableError (the port of /metrics is taken, Kafka or Postgres is not
    there), what ends the recorder."""
    collector.calm()
    health, lifecycle = Health(), Lifecycle()
    server = HealthServer(health, settings.metrics_host, settings.metrics_port)
    process = RecorderProcess(settings, load, health)
    task: asyncio.Task[None] | None = None

    async def start() -> None:
        nonlocal task
        await process.check()
        task = asyncio.create_task(process.run())
        lifecycle.supervise(task)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, process.reread)

    async def stop() -> None:
        await end(task)

    lifecycle.add(Part("health", server.start, server.stop))
    vitals = Vitals("recorder")
    lifecycle.add(Part("vitals", vitals.start, vitals.stop))
    lifecycle.add(Part("recorder", start, stop, STOP_BUDGET_S))
    await lifecycle.run()
    return 0
