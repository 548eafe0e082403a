"""The process: what it is made of, in which order it starts, and what makes it ready.

It starts without Postgres, and stays ready without it: sending needs Kafka only. Without Kafka it does not start.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

from api.acceptance import Desk
from api.acts import Acts
from api.app import create_app
from api.door import Door
from api.entrance import entrance_through
from api.following import Background, KafkaWatch, Routes, check_topics
from api.idempotency import KeyedLookups
from api.intake import Intake
from api.posting import Posting
from api.quotas import Quotas, Seeding
from api.reference import ReferenceBook
from api.server import HttpServer
from api.services import Services
from api.status import StatusBoard
from api.uploads import Uploads
from bus.kafka_publisher import KafkaPublisher
from bus.kafka_reader import KafkaReader
from bus.snapshot import Snapshot
from runtime import collector
from runtime.carriers_file import load_carriers
from runtime.clock import SystemClock
from runtime.health import Health, HealthServer
from runtime.lifecycle import Lifecycle, Part
from runtime.settings import Settings
from runtime.vitals import Vitals
from schemas.carriers import CarrierBook
from schemas.sealing import BlindIndex, Sealer
from schemas.topics import Topics
from store.pool import Pool
from store.reads import Reads

READ_SESSIONS = 8
PUBLISH_EVERY_S = 0.005
"""What a 202 may wait for others in a stream of requests."""
PUBLISH_RETURNING_S = 0.02
"""And for those clients that were answered just before."""


class Addresses(NamedTuple):
    """Where the process listens."""

    http: str
    http_port: int
    metrics_port: int


class ApiProcess:
    """One api process. Its constructor raises ConfigError for what is wrong with settings and files."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._topics = Topics(settings.topic_prefix)
        seal_keys, index_key = settings.keys()
        carriers = load_carriers(settings.carriers_file, environ)
        client_id = f"api-{settings.instance_id}"
        bootstrap = settings.kafka_bootstrap
        self._publisher = KafkaPublisher(bootstrap, client_id, every_s=PUBLISH_EVERY_S, returning_s=PUBLISH_RETURNING_S)
        self._pool = Pool(settings.postgres_dsn, name="api", size=READ_SESSIONS)
        self._posting = Posting(self._publisher, settings.produce_timeout_s, settings.intake_queue_bytes)
        sealer, blind = Sealer(seal_keys, os.urandom(6)), BlindIndex(index_key)
        reader = KafkaReader(bootstrap, client_id)
        book = ReferenceBook()
        self._reference = Snapshot(reader, self._topics.reference, book.apply)
        self._reads = Reads(self._pool)
        self.services = self._services(carriers, sealer, blind, book)
        self._kafka = KafkaWatch(reader, self._topics.reference)
        board = self.services.board
        self._status = Snapshot(KafkaReader(bootstrap, client_id), self._topics.carrier_status, board.apply)
        self._routes = Routes(self.services, settings.carriers_file, environ, self._topics, bootstrap)
        app = create_app(self.services)
        entrance = entrance_through(Door(self.services, app))
        self._http = HttpServer(app, entrance, settings.http_host, settings.http_port, settings.drain_timeout_s)
        self._metrics = HealthServer(self.services.health, settings.metrics_host, settings.metrics_port)

    def _services(self, carriers: CarrierBook, sealer: Sealer, blind: BlindIndex, book: ReferenceBook) -> Services:
        settings, clock, reads = self._settings, SystemClock(), self._reads
        desk = Desk(
            intake=Intake(carriers, (), self._topics, sealer, blind),
            posting=self._posting,
            lookups=KeyedLookups(reads.find_keyed, clock),
            reads=reads,
            clock=clock,
            entropy=os.urandom,
            index_key=blind.key,
            max_recipients=settings.max_recipients,
            suspended=book.suspended,
            quotas=Quotas(book.account, clock),
        )
        return Services(
            desk=desk,
            book=book,
            board=StatusBoard(clock),
            carriers=carriers,
            reads=reads,
            uploads=Uploads(settings.max_body_bytes, settings.intake_queue_bytes),
            sealer=sealer,
            blind=blind,
            clock=clock,
            health=Health(),
            acts=Acts(self._posting, self._topics, book, clock, self._reference.catch_up),
        )

    async def run(self, ready: Callable[[Addresses], None]) -> None:
        """Until a signal. Raises ConfigError and UnavailableError for what keeps it from starting."""
        settings = self._settings
        await check_topics(settings.kafka_bootstrap, self._topics, self.services.carriers)
        self._add_checks()
        lifecycle = Lifecycle()
        following, asking = Background(self._routes.follow), Background(self._kafka.follow)
        quotas = self.services.desk.quotas
        seeding = Background(Seeding(quotas, self.services.book.accounts, self._reads).follow)
        vitals = Vitals("api")
        for part in (
            Part("publisher", self._publisher.start, self._publisher.stop, settings.drain_timeout_s),
            Part("reference", self._reference.start, self._reference.stop),
            Part("carrier-status", self._status.start, self._status.stop),
            Part("reads", self._pool.start, self._pool.stop),
            Part("routes", following.start, following.stop),
            Part("kafka watch", asking.start, asking.stop),
            Part("daily quotas", seeding.start, seeding.stop),
            Part("metrics", self._metrics.start, self._metrics.stop),
            Part("http", self._http.start, self._stop_http, settings.drain_timeout_s + 2),
            # Last: what keeps the process from starting is to be its only line.
            Part("vitals", vitals.start, vitals.stop),
        ):
            lifecycle.add(part)
        collector.calm()
        await lifecycle.run(lambda: ready(self._addresses()))

    def _add_checks(self) -> None:
        health, services = self.services.health, self.services
        health.add("kafka", lambda: self._posting.fault() or self._kafka.fault)
        health.add("shutdown", lambda: "the process is stopping" if self._http.stopping else None)
        health.note("reads (messages are accepted all the same)", lambda: services.watch.fault)

    def _addresses(self) -> Addresses:
        url = f"http://{self._settings.http_host}:{self._http.port}"
        return Addresses(url, self._http.port, self._metrics.port)

    async def _stop_http(self) -> None:
        self.services.uploads.stop()
        await self._http.stop()
