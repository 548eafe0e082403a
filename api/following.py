"""What changes while the process runs: carriers.toml, switches that close a carrier, carriers' binds, and whether Kafka
answers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from api.intake import Intake
from api.services import Services
from bus.ports import Reader, TopicPartition
from bus.topics import require_topics
from policy.ramp import Ramp
from runtime.carriers_file import load_carriers
from runtime.errors import ConfigError, OperatorError
from runtime.logs import logger
from runtime.metrics import ROUTE_SHARE
from runtime.tasks import end
from schemas.carriers import CarrierBook
from schemas.topics import Topics

log = logger("api.following")
LOOK_S: Final = 0.5
ASK_KAFKA_S: Final = 2.0
KAFKA_PATIENCE_S: Final = 2.0
TOPICS_AGAIN_S: Final = 10.0
AGAIN_S: Final = 1.0


async def check_topics(bootstrap: str, topics: Topics, book: CarrierBook) -> None:
    """Raises ConfigError, UnavailableError."""
    specs = topics.all([(carrier.name, carrier.partitions) for carrier in book.carriers.values()])
    await require_topics(bootstrap, specs)


class Background:
    """Work that runs until it is stopped; a fault of it is logged, and it starts again."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = work
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            try:
                await self._work()
            except Exception:
                log.exception("background_work_failed")
            await asyncio.sleep(AGAIN_S)

    async def stop(self) -> None:
        await end(self._task)


class Routes:
    """Keeps the intake in step with carriers.toml, with the carriers that are draining, and with their binds: who has been
    without any for longer than its `failover_after_s` gets no new traffic that another can take."""

    def __init__(
        self, services: Services, path: str, environ: Mapping[str, str], topics: Topics, bootstrap: str
    ) -> None:
        self._services = services
        self._path = path
        self._environ = environ
        self._topics = topics
        self._bootstrap = bootstrap
        self._stamp = _stamp(path)
        self._closed: frozenset[str] = frozenset()
        self._ramps: dict[str, Ramp] = {}
        self._shares: dict[str, float] = {}
        self._not_before = 0.0

    async def follow(self) -> None:
        """Looks twice a second, for as long as it is let."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Takes over what changed. A file that is wrong changes nothing, and is told once."""
        services = self._services
        stamp = _stamp(self._path)
        shares = self._look_at_binds()
        if stamp != self._stamp and services.clock.monotonic() >= self._not_before:
            await self._read(stamp)
        elif shares != self._shares or services.book.draining(services.clock.wall_ms()) != self._closed:
            self._rebuild()

    async def _read(self, stamp: Stamp) -> None:
        try:
            book = load_carriers(self._path, self._environ)
        except ConfigError as fault:
            self._stamp = stamp
            log.warning("carriers_file_not_used", fault=str(fault))
            return
        try:
            await check_topics(self._bootstrap, self._topics, book)
        except OperatorError as fault:
            # Its topics may be on their way: to publish to one that is not there would hold up everybody else.
            self._not_before = self._services.clock.monotonic() + TOPICS_AGAIN_S
            log.warning("carriers_file_not_used_yet", fault=str(fault))
            return
        self._stamp = stamp
        self._services.carriers = book
        self._rebuild()
        log.info("carriers_file_read", carriers=len(book.carriers), routes=len(book.routes))

    def _look_at_binds(self) -> dict[str, float]:
        """The shares of carriers that get less than all of theirs."""
        board, now = self._services.board, self._services.clock.monotonic()
        carriers = self._services.carriers.carriers
        self._ramps = {name: self._ramps.get(name) or Ramp() for name in carriers}
        shares = {
            name: ramp.look(board.is_up(carriers[name]), now, carriers[name].failover_after_s)
            for name, ramp in self._ramps.items()
        }
        return {name: share for name, share in shares.items() if share < 1}

    def _rebuild(self) -> None:
        services = self._services
        self._closed = services.book.draining(services.clock.wall_ms())
        shares = self._look_at_binds()
        self._tell(shares)
        self._shares = shares
        services.desk.intake = Intake(
            services.carriers, self._closed, self._topics, services.sealer, services.blind, shares
        )

    def _tell(self, shares: Mapping[str, float]) -> None:
        for name in self._services.carriers.carriers:
            share = shares.get(name, 1.0)
            ROUTE_SHARE.labels(name).set(share)
            if (share == 0) != (self._shares.get(name, 1.0) == 0):
                log.warning("new_traffic", carrier=name, now="comes back" if share else "goes elsewhere if it can")


Stamp = tuple[int, int]


def _stamp(path: str) -> Stamp:
    """What tells one version of a file from another; a file that is gone changes nothing."""
    try:
        found = os.stat(path)
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size)


class KafkaWatch:
    """Asks Kafka for the end of a topic now and then, so that readiness is known while nobody sends."""

    def __init__(self, reader: Reader, topic: str) -> None:
        self._reader = reader
        self._tp = TopicPartition(topic, 0)
        self.fault: str | None = None

    async def follow(self) -> None:
        """Asks for as long as it is let."""
        while True:
            await self.ask()
            await asyncio.sleep(ASK_KAFKA_S)

    async def ask(self) -> None:
        try:
            async with asyncio.timeout(KAFKA_PATIENCE_S):
                await self._reader.ends([self._tp])
        except Exception as fault:
            self.fault = f"Kafka does not answer ({type(fault).__name__})"
        else:
            self.fault = None
