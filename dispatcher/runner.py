"""The shell of a lane: carries records, answers, acknowledgements and time to `dispatcher.lane`, and what it decides to
Kafka and to the carrier. One turn after any event; events of one turn of the loop share it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bus.ports import Entry, Publisher, Reader, ReadError, TopicPartition
from dispatcher.binder import Binder
from dispatcher.diversion import Copy
from dispatcher.encoding import Encoder
from dispatcher.lane import Lane
from dispatcher.ledger import LedgerState
from dispatcher.outbox import Parcel
from dispatcher.read_ahead import ReadAhead
from dispatcher.receipts import ReceiptDesk
from dispatcher.rerouting import Rerouter
from dispatcher.reservations import CommitPlan
from dispatcher.slots import Slot, Token
from dispatcher.takeover import ReaderFactory, read_histories
from dispatcher.tally import Tally
from dispatcher.watch import Watch
from policy.failover import contract_tps
from policy.reference import Reference
from ratelimit.shares import share_of
from runtime.clock import SystemClock
from runtime.logs import logger
from runtime.metrics import DEAD_LETTERS
from runtime.tasks import end
from schemas.carriers import Carrier, CarrierBook
from schemas.classes import CLASS_NAMES
from schemas.codec import encode
from schemas.records import DeadLetter
from schemas.sealing import BlindIndex, Sealer
from schemas.topics import Topics
from smpp.client import EsmeConnection
from smpp.core.esme import Received

log = logger("dispatcher.lane")
wall_ms = SystemClock.wall_ms

READ_MOST = 2000
REBIND_WAIT_S = 5.0
BLOCKED_S = 0.05
"""How soon a lane whose lease is over, or whose peer does not read, looks again: no event tells it of a lease renewed."""
LEASE_MARGIN_S = 1.0
"""How much sooner than the session timeout a silent owner stops writing (rule 12)."""


@dataclass(frozen=True)
class World:
    """What every lane of the process shares."""

    topics: Topics
    publisher: Publisher
    make_reader: ReaderFactory
    lane_reader: Callable[[], Reader]
    """Makes a lane's: they share what fetches."""
    sealer: Sealer
    index: BlindIndex
    reference: Reference
    book: Callable[[], CarrierBook]
    """carriers.toml as it is now."""
    history_records: int
    drain_timeout_s: float
    write_log: int | None = None
    """File descriptor of SMPPD_WRITE_LOG."""


class LaneRunner:
    """One lane in the hands of this process. `wake_committer`: asks the group's committer to look at this lane."""

    def __init__(
        self, world: World, carrier: Carrier, number: int, lanes: int, wake_committer: Callable[[], None],
        lease_until: Callable[[], float],
    ) -> None:  # fmt: skip
        self.number = number
        self.carrier = carrier
        self.partitions = range(number, carrier.partitions, lanes)
        self.token = ""
        self._rerouter = Rerouter(carrier.name, world.book, world.topics, world.sealer)
        self.lane = Lane(
            carrier, number, self._share(world, lanes), Encoder(carrier, world.sealer), self._rerouter,
            world.reference.facts, time.monotonic(), world.history_records,
        )  # fmt: skip
        self.watch = Watch(self.lane, lanes, time.monotonic())
        self.binder = Binder(carrier, number, self)
        self.fault: str | None = None
        """Why the lane does not work, for people; None when it does."""
        self.token_committed = asyncio.Event()
        self._world = world
        self._desk = ReceiptDesk(
            carrier, number, self.partitions[0], world.topics, world.publisher, world.sealer, world.index, world.book
        )
        self._outcomes = world.topics.outcomes(carrier.name)
        self._wheres = {
            TopicPartition(world.topics.mt(carrier.name, cls), partition): (cls, partition)
            for cls in range(len(CLASS_NAMES))
            for partition in self.partitions
        }
        self._wake_committer = wake_committer
        self._lease_until = lease_until
        self._reader: Reader | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ahead = ReadAhead(self.lane, self._wheres)
        self._unacknowledged = 0
        self._turn_planned = False
        self._timer: asyncio.TimerHandle | None = None
        self._taken = False
        self._closing = False
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self.tally = Tally(carrier.name, number)

    def _share(self, world: World, lanes: int) -> int:
        switch = world.reference.switches.get(self.carrier.name)
        return share_of(max(lanes, contract_tps(self.carrier.tps, switch, wall_ms())), lanes, self.number)

    @property
    def queues(self) -> list[TopicPartition]:
        """The partitions of `mt` that the lane owns."""
        return list(self._wheres)

    # ---- taking

    async def take(self, states: dict[TopicPartition, LedgerState]) -> None:
        """From the committed ledgers to an active lane. The bind comes up meanwhile."""
        self.binder.start()
        world = self._world
        lows: dict[int, dict[int, int]] = {partition: {} for partition in self.partitions}
        for tp, state in states.items():
            cls, partition = self._wheres[tp]
            lows[partition][cls] = state.low
        histories = await read_histories(world.make_reader, self._outcomes, lows, world.history_records)
        self.token = os.urandom(9).hex()
        self.lane.install(self.token, {self._wheres[tp]: (tp, state) for tp, state in states.items()}, histories)
        self.token_committed.clear()
        self._wake_committer()
        await self.token_committed.wait()
        await self._start_reading(self.lane.reservations.starts())
        self.lane.active = True
        self._taken = True
        self.turn_soon()

    def keeps(self, states: dict[TopicPartition, LedgerState]) -> bool:
        """Whether every commit still has our token: nobody else had the lane meanwhile (rule 6)."""
        return self._taken and all(state.token == self.token for state in states.values())

    def resume(self) -> None:
        """Our take was renewed."""
        self.lane.resume()
        self.turn_soon()

    async def _start_reading(self, positions: dict[TopicPartition, int]) -> None:
        self._reader = self._world.lane_reader()
        await self._reader.start(positions)
        self._reading = asyncio.create_task(self._read(self._reader))

    async def _read(self, reader: Reader) -> None:
        while True:
            try:
                found = await reader.poll(0.25, READ_MOST)
            except ReadError as fault:
                self.fault = f"can't read: {fault}"
                log.error("lane_not_readable", carrier=self.carrier.name, lane=self.number, fault=str(fault))
                return
            now_ms = wall_ms()
            for tp, records in found.items():
                if records:
                    self.lane.feed(*self._wheres[TopicPartition(*tp)], records, now_ms)
            self._ahead.regulate(reader)
            if found:
                self.turn_soon()

    # ---- turns

    def turn_soon(self) -> None:
        """A turn once everything that is ready now has happened."""
        if not self._turn_planned and not self._closed:
            self._turn_planned = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_planned = False
        lane, connection = self.lane, self.binder.connection
        now, now_ms = time.monotonic(), wall_ms()
        writes = False
        if connection is not None and connection.writable:
            lane.lease_until = self._lease_until()
            writes = now < lane.lease_until
            batch = lane.pump(now, now_ms)
            if batch:
                connection.submit(batch, now)
                self._wrote(batch, now_ms)
        if lane.diversion.blocks:
            self._redirect(now_ms)
        if lane.dead:
            self._bury(now_ms)
        self._publish_outcomes()
        if self._ahead and self._reader is not None:
            self._ahead.regulate(self._reader)
        self._wake_committer()
        self._arm(now, soonest=0.0005 if writes else BLOCKED_S)

    def _publish_outcomes(self) -> None:
        for parcel in self.lane.outbox.take():
            self._unacknowledged += 1
            self._world.publisher.publish(
                self._outcomes, parcel.partition, parcel.entries, partial(self._published, parcel), lasting=True
            )

    def _arm(self, now: float, soonest: float) -> None:
        deadline = self.lane.deadline(now)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if deadline is not None and not self._closed:
            self._timer = self._loop.call_later(max(soonest, deadline - now), self.turn_soon)

    def _wrote(self, batch: list[tuple[Token, bytes]], now_ms: int) -> None:
        if self._world.write_log is not None:
            line = f"{time.time():.6f} {self.carrier.name} {self.number} {len(batch)}\n"
            os.write(self._world.write_log, line.encode())
        # Between asking and writing lie encoding and whatever the machine did meanwhile: the contract counts from the write.
        self.lane.pace.written(time.monotonic())
        self.tally.wrote(batch, now_ms)

    def _published(self, parcel: Parcel, fault: Exception | None) -> None:
        self._unacknowledged -= 1
        if fault is None:
            self.lane.published(parcel)
            self.turn_soon()

    def _redirect(self, now_ms: int) -> None:
        """Copies to other carriers' topics, each settled here when Kafka has it."""
        self.lane.diversion.routes = self._rerouter.routes
        gathered: defaultdict[tuple[str, int], list[tuple[Slot, Copy]]] = defaultdict(list)
        for slot, copy in self.lane.diversion.redirect(now_ms):
            gathered[copy.topic, copy.partition].append((slot, copy))
        for (topic, partition), copies in gathered.items():
            entries: list[Entry] = [(copy.key, copy.value) for _, copy in copies]
            self._world.publisher.publish(topic, partition, entries, partial(self._copied, copies), lasting=True)

    def _copied(self, copies: list[tuple[Slot, Copy]], fault: Exception | None) -> None:
        if fault is None:
            now_ms = wall_ms()
            for slot, copy in copies:
                self.lane.diversion.copied(slot, copy, now_ms)
            self.turn_soon()

    def _bury(self, now_ms: int) -> None:
        """Bytes that can't be used go to `dead-letters` before their record is settled."""
        dead, self.lane.dead = self.lane.dead, []
        for slot in dead:
            record = slot.raw
            cls, partition, offset = slot.place
            letter = DeadLetter(
                self._world.topics.mt(self.carrier.name, cls), partition, offset, now_ms, slot.fault,
                record.key if record else None, (record.value if record else None) or b"",
            )  # fmt: skip
            DEAD_LETTERS.labels("mt").inc()
            self._world.publisher.publish(
                self._world.topics.dead_letters, 0, [(letter.topic.encode(), encode(letter))],
                partial(self._buried, slot), lasting=True,
            )  # fmt: skip

    def _buried(self, slot: Slot, fault: Exception | None) -> None:
        if fault is None:
            self.lane.buried(slot, wall_ms())
            self.turn_soon()

    # ---- dispatcher.binder.BindListener

    def bound(self) -> None:
        self.lane.bound = True
        self.watch.bound()
        self.turn_soon()

    def unbound(self, tokens: list[Token], _reason: str) -> None:
        self.lane.bound = False
        self.watch.unbound()
        # When we let go ourselves, what is out stays open in the ledger, and whoever owns the lane next lists it.
        if not self._closing:
            self.lane.unanswered(tokens, "bind_lost", time.monotonic(), wall_ms())
        self.turn_soon()

    def received(self, connection: EsmeConnection[Token], got: Received[Token]) -> None:
        now, now_ms = time.monotonic(), wall_ms()
        if got.answers:
            self.lane.answered(got.answers, now, now_ms)
            self.tally.answered(got.answers)
        if got.late:
            self.lane.late(got.late, now, now_ms)
        if got.unanswered:
            self.lane.unanswered(got.unanswered, "no_answer", now, now_ms)
        if got.deliveries:
            # A receipt may come in one piece with the answer that it is about; behind it in its partition no recorder sees it
            # first, and has to park it.
            self._publish_outcomes()
            self._desk.take(connection, got.deliveries, now_ms)
        self.turn_soon()

    def committed(self, plan: CommitPlan, took_s: float) -> None:
        """The committer's acknowledgement."""
        self.lane.commit_s += (took_s - self.lane.commit_s) / 8
        self.lane.committed(plan)
        self.token_committed.set()
        self.turn_soon()

    def look(self) -> None:
        """Once a second: switches, health, what expires while nothing is written."""
        switch = self._world.reference.switches.get(self.carrier.name)
        self.lane.diversion.routes = self._rerouter.routes
        self.watch.look(switch, time.monotonic(), wall_ms())
        self.turn_soon()

    async def configure(self, carrier: Carrier) -> None:
        """carriers.toml changed: takes what can change in place, and binds anew if the bind itself changed."""
        rebind = carrier.bind_facts != self.carrier.bind_facts
        self.carrier = carrier
        self.lane.configure(carrier, Encoder(carrier, self._world.sealer))
        self._desk.configure(carrier)
        if rebind:
            # What is out is answered first, so that a new password puts nothing in doubt.
            self.watch.rebinding = self.lane.finishing = True
            await self._answers(REBIND_WAIT_S)
            await self.binder.rebind(carrier)
            self.watch.rebinding = self.lane.finishing = False
        self.turn_soon()

    async def _answers(self, budget_s: float) -> None:
        deadline = time.monotonic() + budget_s
        while self.lane.out and self.lane.bound and time.monotonic() < deadline:
            await asyncio.sleep(0.01)

    # ---- letting go

    def suspend(self) -> None:
        """Stops reserving and writing: the take is over or about to be."""
        self.lane.active = False

    async def settle(self, budget_s: float) -> None:
        """Waits until Kafka acknowledged what is on its way, at most `budget_s`."""
        deadline = time.monotonic() + budget_s
        while (self._unacknowledged or self.lane.outbox) and time.monotonic() < deadline:
            await asyncio.sleep(0.005)

    async def drain(self, budget_s: float) -> None:
        """For an orderly stop: writes nothing new, waits for answers to what is out, and for their outcomes."""
        self.suspend()
        deadline = time.monotonic() + budget_s
        await self._answers(budget_s)
        await self.settle(max(0.1, deadline - time.monotonic()))

    def pending(self) -> str:
        """What a stop is waiting for."""
        return f"{self.lane.out} answers, {self._unacknowledged} acknowledgements, {self._desk.waiting} receipts"

    async def close(self) -> None:
        """Stops reading and unbinds. What is open stays open in the ledger."""
        self.suspend()
        self._closing = True
        await end(self._reading)
        if self._reader is not None:
            await self._reader.stop()
        await self.binder.stop()
        self._turn()  # answers that came with the unbind
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self.tally.close(self.lane)

    def lag(self) -> Counter[int]:
        """Records in Kafka that were not read yet, by class."""
        behind: Counter[int] = Counter()
        if self._reader is not None:
            for tp, count in self._reader.lag().items():
                behind[self._wheres[tp][0]] += count
        return behind
