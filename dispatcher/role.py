"""The dispatcher process: what its lanes share, a group for each carrier, health, and the clock of its gauges."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from functools import partial

from bus.assignor import Claim
from bus.fetching import Fetcher
from bus.kafka_member import KafkaMember
from bus.kafka_publisher import KafkaPublisher
from bus.kafka_reader import KafkaReader, QueueReader
from bus.snapshot import Snapshot
from bus.topics import create_topics, require_topics
from dispatcher.group import CarrierGroup, lane_map_hash
from dispatcher.provision import commit_empty_ledgers
from dispatcher.runner import World
from dispatcher.status import StatusBoard
from policy.reference import Reference
from runtime import collector
from runtime.errors import OperatorError, UnavailableError
from runtime.health import Health, HealthServer
from runtime.lifecycle import Lifecycle, Part
from runtime.live_book import LiveBook
from runtime.logs import logger
from runtime.settings import Settings
from runtime.vitals import Vitals
from schemas.carriers import Carrier
from schemas.sealing import BlindIndex, Sealer
from schemas.topics import Topics

log = logger("dispatcher")
FETCH_BYTES = 128 * 1024
"""Of one queue at a time: what all queues of a process may hold unread while their backlogs are full."""
FETCH_WAIT_MS = 100
GATHER_S = 0.015
"""What records of a stream may wait for others before they are fetched."""
PUBLISH_EVERY_S = 0.02
"""What an outcome may wait for others: it delays settling and receipts' answers, not sending."""


class Dispatcher:
    """Parts in order: Kafka's publisher, the reference snapshot, health, then one group a carrier."""

    def __init__(self, settings: Settings, book: LiveBook, lifecycle: Lifecycle) -> None:
        self._settings = settings
        self._book = book
        self._reread_now = False
        self._lifecycle = lifecycle
        self._topics = Topics(settings.topic_prefix)
        seal_keys, index_key = settings.keys()
        bootstrap = settings.kafka_bootstrap
        self._publisher = KafkaPublisher(bootstrap, settings.instance_id, every_s=PUBLISH_EVERY_S)
        self._reference = Reference(
            self._wake_lanes, lambda key, fault: log.error("reference_not_understood", key=key, fault=fault)
        )
        self._snapshot = Snapshot(self._reader("reference"), self._topics.reference, self._reference.apply)
        # A short wait, so that a class that is resumed, or a lane that is taken, is read soon (DESIGN §5).
        fetcher = Fetcher(
            bootstrap,
            f"{settings.instance_id}-lanes",
            fetch_bytes=FETCH_BYTES,
            wait_ms=FETCH_WAIT_MS,
            gather_s=GATHER_S,
        )
        self._world = World(
            self._topics, self._publisher, self._reader, partial(QueueReader, fetcher),
            Sealer(seal_keys, os.urandom(8)), BlindIndex(index_key), self._reference, book.current,
            settings.history_records, settings.drain_timeout_s, _open_log(settings.write_log),
        )  # fmt: skip
        self.groups: dict[str, CarrierGroup] = {}
        self._health = Health()
        self._health.add("kafka", self._kafka_fault)
        self._health.add("lanes", self._lanes_fault)
        self._health.add("carriers.toml", lambda: book.fault or self._not_applied)
        self._health_server = HealthServer(self._health, settings.metrics_host, settings.metrics_port)
        self._board = StatusBoard(self._topics.carrier_status, settings.instance_id, self._publisher)
        self._vitals = Vitals("dispatcher")
        self._ticking: asyncio.Task[None] | None = None
        self._applying: asyncio.Task[None] | None = None
        self._not_applied: str | None = None
        self._behind = False
        """carriers.toml says something that our groups do not do yet."""

    def _reader(self, name: str) -> KafkaReader:
        return KafkaReader(self._settings.kafka_bootstrap, f"{self._settings.instance_id}-{name}")

    async def run(self, on_ready: Callable[[int], None]) -> None:
        """Until told to stop. `on_ready` gets the port of /readyz. Raises OperatorError."""
        await self._check_topics()
        for part in (
            Part(
                "publisher",
                self._publisher.start,
                self._publisher.stop,
                5,
                lambda: f"{self._publisher.backlog_bytes} bytes",
            ),
            Part("reference", self._snapshot.start, self._snapshot.stop),
            Part("health", self._health_server.start, self._health_server.stop),
            Part("vitals", self._vitals.start, self._vitals.stop),
            Part("carriers", self._start_groups, self._stop_groups, self._settings.drain_timeout_s + 8, self._pending),
            Part("clock", self._start_clock, self._stop_clock),
        ):
            self._lifecycle.add(part)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.reread)
        collector.calm()
        await self._lifecycle.run(lambda: on_ready(self._health_server.port))

    async def _check_topics(self) -> None:
        specs = self._topics.all(
            (carrier.name, carrier.partitions) for carrier in self._book.current().carriers.values()
        )
        await require_topics(self._settings.kafka_bootstrap, specs)

    # ---- carriers

    async def _start_groups(self) -> None:
        for carrier in self._book.current().carriers.values():
            self.groups[carrier.name] = self._new_group(carrier)
        await asyncio.gather(*(group.start() for group in self.groups.values()))

    def _new_group(self, carrier: Carrier) -> CarrierGroup:
        return CarrierGroup(
            self._world,
            carrier,
            self._make_member,
            self._settings.kafka_session_timeout_ms / 1000,
            self._lifecycle.fail,
            lambda: carrier.name == min(self._book.current().carriers, default=carrier.name),
        )

    async def _apply(self) -> None:
        """Carriers come, go and change; binds that did not change stay up. What fails is tried again at the next tick."""
        carriers = self._book.current().carriers
        for name in [name for name in self.groups if name not in carriers]:
            await self.groups[name].stop(leave=True)
            del self.groups[name]
        for name, carrier in carriers.items():
            if name not in self.groups:
                await self._add(carrier)
            elif self.groups[name].carrier != carrier:
                await self.groups[name].configure(carrier)

    async def _add(self, carrier: Carrier) -> None:
        bootstrap = self._settings.kafka_bootstrap
        specs = list(self._topics.of_carrier(carrier.name, carrier.partitions))
        await create_topics(bootstrap, specs, self._settings.kafka_replication)
        await commit_empty_ledgers(bootstrap, self._topics, carrier)
        group = self._new_group(carrier)
        await group.start()
        self.groups[carrier.name] = group

    def reread(self) -> None:
        """SIGHUP: looks at carriers.toml at the next tick, changed or not."""
        self._reread_now = True

    def _make_member(self, carrier: Carrier, group: CarrierGroup) -> KafkaMember:
        topics = [self._topics.mt(carrier.name, cls) for cls in range(3)]
        claim = Claim(self._settings.instance_id, lane_map_hash(carrier), carrier.lanes)
        return KafkaMember(
            self._settings.kafka_bootstrap, self._topics.dispatch_group(carrier.name), topics, claim, group,
            session_timeout_ms=self._settings.kafka_session_timeout_ms, thrown_out=group.thrown_out,
        )  # fmt: skip

    async def _stop_groups(self) -> None:
        await asyncio.gather(*(group.stop(leave=self._settings.leave_on_stop) for group in self.groups.values()))

    def _pending(self) -> str:
        return "; ".join(filter(None, (group.pending() for group in self.groups.values())))

    def _wake_lanes(self) -> None:
        for group in self.groups.values():
            for lane in group.lanes.values():
                lane.turn_soon()

    # ---- health and gauges

    def _kafka_fault(self) -> str | None:
        waiting = self._publisher.waiting_s()
        return f"no acknowledgement for {waiting:.1f} s" if waiting > 5 else None

    def _lanes_fault(self) -> str | None:
        faults = [fault for group in self.groups.values() for fault in group.faults()]
        return "; ".join(faults) or None

    async def _start_clock(self) -> None:
        self._ticking = asyncio.create_task(self._tick())
        self._lifecycle.supervise(self._ticking)

    async def _stop_clock(self) -> None:
        for task in (self._ticking, self._applying):
            if task is not None and not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    def _follow_carriers(self) -> None:
        """Begins to do what carriers.toml says now: a drain takes its time, and the other lanes are looked after meanwhile."""
        if self._applying is not None and not self._applying.done():
            return
        force, self._reread_now = self._reread_now, False
        self._behind = self._book.reread(force) is not None or self._behind
        if self._behind:
            self._applying = asyncio.create_task(self._apply_book())
            self._applying.add_done_callback(self._applied)

    def _applied(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._lifecycle.fail(fault)

    async def _apply_book(self) -> None:
        try:
            await self._apply()
        except OperatorError as fault:
            self._not_applied = str(fault)
            log.error("carriers_not_applied", fault=str(fault))
        else:
            self._behind, self._not_applied = False, None

    async def _tick(self) -> None:
        """Once a second: carriers.toml, switches and health, gauges and the status board."""
        while True:
            await asyncio.sleep(1.0)
            self._follow_carriers()
            for group in list(self.groups.values()):
                group.look()
                self._board.show(group, time.time_ns() // 1_000_000)


def _open_log(path: str) -> int | None:
    if not path:
        return None
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as fault:
        raise UnavailableError(
            f"can't write {path} ({fault.strerror})", "SMPPD_WRITE_LOG must name a writable file"
        ) from None
