"""One carrier in this process: its consumer group's membership, the lanes that it gives us, and their commits.

A rebalance revokes everything for a moment (aiokafka's groups are eager): lanes stop writing, settle, commit, join. A lane
that comes straight back with its token in force keeps its bind and memory (rule 6); another is closed and taken afresh.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from bus.ports import Member, Take, TopicPartition
from dispatcher.committer import Committer
from dispatcher.ledger import LedgerError, LedgerState
from dispatcher.runner import LEASE_MARGIN_S, LaneRunner, World
from dispatcher.takeover import MissingLedgerError, ledgers_of
from runtime.errors import OperatorError
from runtime.logs import logger
from runtime.metrics import TAKEOVERS
from schemas.carriers import Carrier

log = logger("dispatcher.group")

REVOKE_BUDGET_S: Final = 0.5
RETRY_S: Final = 3.0
THROWN_OUT_LIMIT: Final = 3
THROWN_OUT_WITHIN_S: Final = 60.0

MakeMember = Callable[[Carrier, "CarrierGroup"], "CarrierMember"]


class CarrierMember(Member, Protocol):
    """A membership whose claim can change."""

    def claim(self, config: str, units: int) -> None: ...

    def fault(self) -> str | None: ...


def lane_map_hash(carrier: Carrier) -> str:
    """What dispatchers must agree on before the number of lanes changes."""
    return f"{carrier.lanes}/{carrier.partitions}"


class CarrierGroup:
    """Lanes come and go with the group's assignments."""

    def __init__(
        self, world: World, carrier: Carrier, make_member: MakeMember, session_timeout_s: float,
        fail: Callable[[BaseException], None], is_umpire: Callable[[], bool],
    ) -> None:  # fmt: skip
        """`fail` ends the process with an OperatorError. `is_umpire`: whether it is this group, of all the process's, that
        decides which of two processes with one id ends (`thrown_out`)."""
        self.carrier = carrier
        self.lanes: dict[int, LaneRunner] = {}
        self.fault: str | None = "waiting for the group"
        self._world = world
        self._lease_s = session_timeout_s - LEASE_MARGIN_S
        self._fail = fail
        self._is_umpire = is_umpire
        self._member = make_member(carrier, self)
        self._committer = Committer(carrier.name, self._member, self.lanes.values, self._take_lost, fail)
        self._adoption: asyncio.Task[None] | None = None
        self._closings: set[asyncio.Future[list[None]]] = set()
        """Lanes being let go: to the end, though the adoption that began it is canceled by the next rebalance."""
        self._thrown_out: deque[float] = deque(maxlen=THROWN_OUT_LIMIT)
        self._units_in_force = 0

    async def start(self) -> None:
        self._committer.start()
        await self._member.start()

    async def stop(self, leave: bool) -> None:
        """Drains the lanes, commits, unbinds; `leave`: hands them over at once."""
        await self._cancel_adoption()
        await asyncio.gather(*(lane.drain(self._world.drain_timeout_s) for lane in self.lanes.values()))
        await self._committer.flush()
        await self._committer.stop()
        await self._member.stop(leave)
        await self._close(list(self.lanes))
        await self._closed()

    def pending(self) -> str:
        return "; ".join(f"{self.carrier.name}/{number}: {lane.pending()}" for number, lane in self.lanes.items())

    def faults(self) -> list[str]:
        """What is not as it should be, for people."""
        found = [f"{self.carrier.name}: {fault}" for fault in (self.fault, self._member.fault()) if fault]
        for number, lane in self.lanes.items():
            found += [
                f"{self.carrier.name}/{number}: {fault}"
                for fault in (lane.fault, *lane.lane.memory.stuck.values())
                if fault
            ]
        return found

    def lease_until(self) -> float:
        """Until when the lanes are surely still ours (rule 12)."""
        return self._member.heard_at + self._lease_s

    # ---- bus.ports.GroupListener

    async def revoked(self) -> None:
        await self._cancel_adoption()
        for lane in self.lanes.values():
            lane.suspend()
        if self._committer.take is not None:
            await asyncio.gather(*(lane.settle(REVOKE_BUDGET_S) for lane in self.lanes.values()))
            await self._committer.flush()
        self._committer.take = None

    def assigned(self, take: Take, units: Sequence[int], units_in_force: int) -> None:
        self._adoption = asyncio.create_task(self._adopt(take, units, units_in_force))
        self._adoption.add_done_callback(self._adopted)

    def _take_lost(self, kind: str) -> None:
        log.warning("take_lost", carrier=self.carrier.name, kind=kind)
        for lane in self.lanes.values():
            lane.suspend()
        self._member.rejoin()

    def thrown_out(self) -> bool:
        """The group no longer knew our membership; gives whether to join again (see bus.kafka_member).

        Two processes with one id throw each other out in turn. In one group the turns are strict, so exactly one of them
        comes to the limit first, joins no more, and ends with a word on why. Counted in several groups, both could.
        """
        if not self._is_umpire():
            return True
        recent = self._thrown_out
        recent.append(time.monotonic())
        if len(recent) < THROWN_OUT_LIMIT or recent[-1] - recent[0] >= THROWN_OUT_WITHIN_S:
            return True
        self._fail(
            OperatorError(
                f"thrown out of the group of {self.carrier.name} {THROWN_OUT_LIMIT} times in a minute",
                "another process runs with the same SMPPD_INSTANCE_ID: give each its own",
            )
        )
        return False

    # ---- adopting lanes

    async def _cancel_adoption(self) -> None:
        if self._adoption is not None and not self._adoption.done():
            self._adoption.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._adoption

    def _adopted(self, task: asyncio.Task[None]) -> None:
        # aiokafka only logs what a listener raises, so a take is a task of its own, and its failure is looked at here.
        if task.cancelled() or task.exception() is None:
            return
        self.fault = f"taking lanes failed: {task.exception()}"
        log.error("take_failed", carrier=self.carrier.name, fault=repr(task.exception()))
        asyncio.get_running_loop().call_later(RETRY_S, self._member.rejoin)

    async def _adopt(self, take: Take, units: Sequence[int], in_force: int) -> None:
        await self._closed()
        gone = [n for n in self.lanes if n not in units or in_force != self._units_in_force]
        self._units_in_force = in_force
        await self._close(gone)
        ledgers = {}
        for number in units:
            lane = self.lanes.get(number) or self._new_lane(number, in_force)
            ledgers[number] = await self._ledgers(lane)
            if number in self.lanes and not lane.keeps(ledgers[number]):
                await self._close([number])
        self._committer.take = take
        fresh = []
        for number in units:
            if number in self.lanes:
                self.lanes[number].resume()
            else:
                self.lanes[number] = self._new_lane(number, in_force)
                fresh.append(self.lanes[number].take(ledgers[number]))
        TAKEOVERS.labels(self.carrier.name, "kept").inc(len(units) - len(fresh))
        TAKEOVERS.labels(self.carrier.name, "fresh").inc(len(fresh))
        self._committer.wake()
        await asyncio.gather(*fresh)
        self.fault = None
        log.info("lanes", carrier=self.carrier.name, lanes=sorted(self.lanes), of=in_force, generation=take.generation)

    async def _ledgers(self, lane: LaneRunner) -> dict[TopicPartition, LedgerState]:
        group = self._world.topics.dispatch_group(self.carrier.name)
        while True:
            try:
                async with asyncio.timeout(10):
                    return ledgers_of(await self._member.committed(lane.queues), group)
            except (MissingLedgerError, LedgerError, TimeoutError) as fault:
                self.fault = str(fault) or "Kafka does not answer the request for ledgers"
                log.error("no_ledger", carrier=self.carrier.name, lane=lane.number, fault=self.fault)
                await asyncio.sleep(RETRY_S)

    def _new_lane(self, number: int, in_force: int) -> LaneRunner:
        return LaneRunner(self._world, self.carrier, number, in_force, self._committer.wake, self.lease_until)

    async def configure(self, carrier: Carrier) -> None:
        """carriers.toml changed for this carrier. Binds of others are not touched."""
        before, self.carrier = self.carrier, carrier
        await asyncio.gather(*(lane.configure(carrier) for lane in list(self.lanes.values())))
        if carrier.lanes != before.lanes:
            self._member.claim(lane_map_hash(carrier), carrier.lanes)

    def look(self) -> None:
        """Once a second."""
        for lane in self.lanes.values():
            lane.look()

    async def _close(self, numbers: Sequence[int]) -> None:
        lanes = [self.lanes.pop(number) for number in numbers if number in self.lanes]
        closing: asyncio.Future[list[None]] = asyncio.gather(*(lane.close() for lane in lanes))
        self._closings.add(closing)
        closing.add_done_callback(self._closings.discard)
        await asyncio.shield(closing)

    async def _closed(self) -> None:
        """Waits until lanes that were let go have unbound: the carrier may have no slot for a second bind."""
        if self._closings:
            await asyncio.wait(self._closings)
