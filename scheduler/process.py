"""The scheduler as a process: its parts in order, carriers.toml as it changes, health."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence

from bus.kafka_publisher import KafkaPublisher
from bus.kafka_reader import KafkaReader
from bus.ports import TopicPartition
from bus.snapshot import Snapshot
from bus.topics import require_topics
from policy.reference import Reference
from runtime import collector
from runtime.clock import SystemClock
from runtime.health import Health, HealthServer
from runtime.lifecycle import Lifecycle, Part
from runtime.live_book import LiveBook
from runtime.logs import logger
from runtime.settings import Settings
from runtime.tasks import end
from runtime.vitals import Vitals
from scheduler.evidence import Evidence
from scheduler.releasing import Releasing
from scheduler.role import Scheduler
from schemas.classes import CLASS_NAMES
from schemas.sealing import BlindIndex, Sealer
from schemas.topics import INTAKE_PARTITIONS, Topics
from store.pool import require_tables
from store.schedule import Schedule

log = logger("scheduler")
LOOK_S = 1.0
PUBLISH_EVERY_S = 0.02


class SchedulerProcess:
    """See the module."""

    def __init__(self, settings: Settings, book: LiveBook) -> None:
        seal_keys, index_key = settings.keys()
        bootstrap, name = settings.kafka_bootstrap, f"{settings.instance_id}-scheduler"
        self._settings = settings
        self._book = book
        self._topics = Topics(settings.topic_prefix)
        self._reference = Reference(
            complain=lambda key, fault: log.error("reference_not_understood", key=key, fault=fault)
        )
        self._publisher = KafkaPublisher(bootstrap, name, every_s=PUBLISH_EVERY_S)
        self._snapshot = Snapshot(KafkaReader(bootstrap, name), self._topics.reference, self._reference.apply)
        releasing = Releasing(
            book.current, self._topics, Sealer(seal_keys, os.urandom(6)), BlindIndex(index_key), self._reference.facts
        )
        self._scheduler = Scheduler(
            Schedule(settings.postgres_dsn), releasing, Evidence(self._publisher, self._topics), self._publisher,
            KafkaReader(bootstrap, name), self._topics, self._partitions, SystemClock(),
        )  # fmt: skip
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self) -> int:
        """Until told to stop. Raises ConfigError, UnavailableError."""
        carriers = self._book.current().carriers.values()
        specs = self._topics.all((carrier.name, carrier.partitions) for carrier in carriers)
        await require_topics(self._settings.kafka_bootstrap, specs)
        health, lifecycle = Health(), Lifecycle()
        health.add("scheduler", self._scheduler.check)
        health.note("carriers.toml", lambda: self._book.fault)
        server = HealthServer(health, self._settings.metrics_host, self._settings.metrics_port)
        vitals = Vitals("scheduler")
        for part in (
            Part("publisher", self._publisher.start, self._publisher.stop, self._settings.drain_timeout_s),
            Part("reference", self._snapshot.start, self._snapshot.stop),
            Part("health", server.start, server.stop),
            Part("vitals", vitals.start, vitals.stop),
            Part("scheduler", self._start, self._stop),
        ):
            lifecycle.add(part)
        self._lifecycle = lifecycle
        collector.calm()
        await lifecycle.run()
        return 0

    async def _start(self) -> None:
        await require_tables(self._settings.postgres_dsn, "scheduler")
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._book.reread, True)
        self._tasks = [asyncio.create_task(work) for work in (self._scheduler.run(), self._follow())]
        for task in self._tasks:
            self._lifecycle.supervise(task)

    async def _stop(self) -> None:
        await end(*self._tasks)
        await self._scheduler.stop()

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self._book.reread()

    def _partitions(self) -> Sequence[TopicPartition]:
        """Those that releases are written to."""
        found = [TopicPartition(self._topics.intake, number) for number in range(INTAKE_PARTITIONS)]
        for carrier in self._book.current().carriers.values():
            for cls in range(len(CLASS_NAMES)):
                found += [TopicPartition(self._topics.mt(carrier.name, cls), p) for p in range(carrier.partitions)]
        return found
