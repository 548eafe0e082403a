"""A small world around the real Lane: a broker that fences by take, an SMSC that may lose, refuse or not answer, and
processes that crash, freeze, lose the lane and get it back. The rules of `ledger_model.py`, played with our own code.

`World(...)` is set up with records and budgets for faults; `World.run(choose)` takes one step after the other, `choose`
picking among what can happen now, until nothing is left to do. Every step is followed by the invariants of the model;
the end by those of the end.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bus.memory import MemoryRecord
from bus.ports import Commit, TopicPartition
from dispatcher.diversion import Copy, Diversion
from dispatcher.history import History
from dispatcher.lane import Lane
from dispatcher.ledger import decode, empty_commit
from dispatcher.outbox import Parcel
from dispatcher.reservations import CommitPlan
from dispatcher.slots import Slot, Token
from policy.gate import Facts
from schemas import ids
from schemas.carriers import Carrier, InDoubtPolicies
from schemas.codec import decode_mt, decode_outcome, encode
from schemas.records import (
    Blocked,
    Canceled,
    Deferred,
    Duplicate,
    Expired,
    InDoubt,
    MtMessage,
    Outcome,
    Rerouted,
    SubmitOutcome,
    Unreadable,
)
from smpp.core.constants import CommandStatus
from smpp.core.esme import Answer

NOW_MS = 1_790_000_000_000
Choose = Callable[[list[str]], int]
Where = tuple[int, int]


class Broken(AssertionError):
    """An invariant does not hold; `steps` leads there."""


def message(number: int, cls: int, key: int | None, attempt: int = 1) -> MtMessage:
    """A message; equal `key`s make repeats of one id."""
    identity = (
        ids.random_ids(NOW_MS, number.to_bytes(10, "big"))[0]
        if key is None
        else ids.keyed_id(b"k" * 32, "shop", str(key), 0, NOW_MS)
    )
    return MtMessage(
        identity, "shop", cls, "alpha", b"", b"", NOW_MS, NOW_MS + 10**9, 1, 0, 0, 3, 0, "USD", attempt=attempt
    )


@dataclass
class Faults:
    """How often each may still happen."""

    crashes: int = 0
    moves: int = 0
    returns: int = 0
    throttles: int = 0
    timeouts: int = 0
    losses: int = 0
    unknown_commits: int = 0
    bind_drops: int = 0
    diversions: int = 0
    route_changes: int = 0


@dataclass
class Flight:
    """A segment out: whether the SMSC has it, and how it will answer."""

    token: Token
    arrived: bool
    status: int


@dataclass
class Process:
    """One that has, had, or thinks it has the lane."""

    name: int
    generation: int
    lane: Lane
    alive: bool = True
    taken: bool = False
    positions: dict[Where, int] = field(default_factory=dict)
    plan: CommitPlan | None = None
    flights: list[Flight] = field(default_factory=list)
    late: list[Flight] = field(default_factory=list)
    produces: list[Parcel] = field(default_factory=list)
    copies: list[tuple[Slot, Copy]] = field(default_factory=list)
    acked_high: dict[Where, int] = field(default_factory=dict)


class World:
    """`records`: (class, partition, key or None, segments) in the order of intake."""

    lane_class: type[Lane] = Lane
    history_class: type[History] = History
    diversion_class: type[Diversion] = Diversion
    unknown_ends_take = True

    def __init__(
        self,
        records: list[tuple[int, int, int | None, int]],
        faults: Faults,
        *,
        window: int = 2,
        exposure: int = 2,
        policy: str = "resend",
        reroutes: bool = True,
    ) -> None:
        self.reroutes = reroutes
        self.routes = ""
        self.seen_elsewhere: set[tuple[str, bytes, int]] = set()
        policies = InDoubtPolicies(otp="resend", notice=policy, marketing=policy)  # type: ignore[arg-type]
        self.carrier = Carrier(
            name="alpha",
            host="h",
            port=1,
            system_id="s",
            tps=10_000,
            window=window,
            exposure=exposure,
            in_doubt=policies,
        )
        self.faults = faults
        self.segments: dict[bytes, int] = {}
        self.queues: dict[Where, list[MemoryRecord]] = defaultdict(list)
        for number, (cls, partition, key, segments) in enumerate(records):
            queue = self.queues[cls, partition]
            item = message(number, cls, key)
            self.segments[item.id] = segments
            queue.append(MemoryRecord(len(queue), NOW_MS, b"index", encode(item)))
        self.ids = {(*where, record.offset): _id(record) for where, queue in self.queues.items() for record in queue}
        self.commits: dict[Where, Commit] = {where: empty_commit(0) for where in self.queues}
        self.outcomes: dict[int, list[Outcome]] = defaultdict(list)
        self.submits: dict[tuple[bytes, int], int] = defaultdict(int)
        self.generation = 1
        self.late_commit: tuple[int, dict[Where, Commit]] | None = None
        self.worst_doubt = 0
        self.now = 1000.0
        self.steps: list[str] = []
        self.processes = [self._process()]

    # ---- processes

    def _process(self) -> Process:
        name = len(self.processes) if hasattr(self, "processes") else 0
        lane = self.lane_class(self.carrier, 0, 10_000, self._encode, self._reroute, Facts(), self.now - 10)
        if self.diversion_class is not Diversion:
            lane.diversion = self.diversion_class(lane, self._reroute)
        lane.lease_until = 1e12
        lane.diversion.routes = self.routes
        return Process(name, self.generation, lane)

    def _reroute(self, item: MtMessage, index: bytes, avoid: str, doubted: bool) -> Copy | None:
        if not self.reroutes:
            return None
        to = "gamma" if self.routes else "beta"
        copy = msgspec.structs.replace(item, carrier=to, hop=item.hop + 1)
        return Copy(f"mt.{to}", 0, index, encode(copy), to, 0, 1)

    def _encode(self, item: MtMessage, now_ms: int) -> tuple[bytes, ...]:
        return tuple(b"body%d" % part for part in range(self.segments[item.id]))

    @property
    def owner(self) -> Process:
        return next(process for process in reversed(self.processes) if process.generation == self.generation)

    # ---- what can happen

    def options(self) -> list[tuple[str, Callable[[], None]]]:
        found: list[tuple[str, Callable[[], None]]] = []
        for process in self.processes:
            found += self._landings(process)
            if process.alive:
                found += self._life(process)
        if self.late_commit is not None:
            found.append(("the broker gets to the late commit", self._late_commit_lands))
        owner = self.owner
        if self.faults.route_changes and (self.seen_elsewhere or any(process.copies for process in self.processes)):
            found.append(("carriers.toml has another route", self._change_routes))
        if self.faults.moves:
            found.append(("the group moves the lane to a new process", self._move))
        elif not owner.alive:
            found.append(("the group gives the lane of the dead to a new process", self._succeed))
        if self.faults.returns:
            found += [
                (f"the lane goes back to p{process.name}", lambda process=process: self._return(process))  # type: ignore[misc]
                for process in self.processes
                if process is not owner and process.alive and process.taken
            ]
        return found

    def _landings(self, process: Process) -> list[tuple[str, Callable[[], None]]]:
        found: list[tuple[str, Callable[[], None]]] = []
        if process.produces:
            found.append((f"p{process.name}: a produce lands", lambda: self._land(process)))
            if not process.alive:
                found.append((f"p{process.name}: its produces are lost", process.produces.clear))
        if process.copies:
            found.append((f"p{process.name}: a copy lands", lambda: self._land_copy(process)))
            if not process.alive:
                found.append((f"p{process.name}: its copies are lost", process.copies.clear))
        return found

    def _life(self, process: Process) -> list[tuple[str, Callable[[], None]]]:
        name, lane = f"p{process.name}", process.lane
        found: list[tuple[str, Callable[[], None]]] = []
        if self.faults.crashes:
            found.append((f"{name}: crash", lambda: self._crash(process)))
        if not process.taken:
            found.append((f"{name}: takes the lane", lambda: self._take(process)))
            return found
        if process.plan is None:
            found.append((f"{name}: looks for a commit", lambda: self._issue(process)))
        else:
            found.append((f"{name}: its commit is answered", lambda: self._answer_commit(process)))
            if self.faults.unknown_commits and self.late_commit is None:
                found.append((f"{name}: its commit gets no answer", lambda: self._lose_commit_answer(process)))
        for where, position in process.positions.items():
            if position < len(self.queues[where]) and lane.reservations.token != "-":
                found.append((f"{name}: reads {where}", lambda where=where: self._feed(process, where)))  # type: ignore[misc]
        if lane.active and self.faults.diversions and not lane.diversion.way and not lane.finishing:
            found.append((f"{name}: diverts", lambda: self._divert(process)))
            if process.flights:
                found.append((f"{name}: drains, tired of waiting", lambda: self._drain(process)))
        if lane.active and lane.diversion.way:
            if not lane.diversion._ending:
                found.append((f"{name}: comes home", lane.diversion.end))
            found.append((f"{name}: copies", lambda: process.copies.extend(lane.diversion.redirect(NOW_MS))))
        if lane.active and not lane.bound:
            found.append((f"{name}: binds", lambda: self._bind(process)))
        bulk = lane._out_bulk < self.carrier.window - lane._kept_window
        if lane.may_write and lane.out < self.carrier.window and lane.queue.waits(bulk):
            found.append((f"{name}: writes", lambda: self._pump(process)))
        if lane.outbox:
            found.append(
                (f"{name}: hands outcomes to its producer", lambda: process.produces.extend(lane.outbox.take()))
            )
        for number, flight in enumerate(process.flights):
            if flight.arrived:
                found.append((f"{name}: answer {number}", lambda flight=flight: self._answer(process, flight)))  # type: ignore[misc]
        if process.flights and (self.faults.timeouts or not process.flights[0].arrived):
            found.append((f"{name}: no answer in time", lambda: self._time_out(process)))
        for flight in process.late:
            if flight.arrived:
                found.append((f"{name}: a late answer", lambda flight=flight: self._late_answer(process, flight)))  # type: ignore[misc]
        if self.faults.bind_drops and lane.bound:
            found.append((f"{name}: the bind drops", lambda: self._drop_bind(process)))
        return found

    # ---- steps

    def _take(self, process: Process) -> None:
        states = {
            where: (TopicPartition(f"mt.{where[0]}", where[1]), decode(commit))
            for where, commit in self.commits.items()
        }
        histories = []
        for partition in {partition for _, partition in self.queues}:
            lows = {cls: state.low for (cls, at), (_, state) in states.items() if at == partition}
            history = self.history_class(partition, lows)
            history.learn(decode_outcome(encode(outcome)) for outcome in self.outcomes[partition])
            histories.append(history)
        process.lane.install(f"t{process.name}", states, histories)
        process.positions = {where: state.low for where, (_, state) in states.items()}
        process.acked_high = {where: state.high for where, (_, state) in states.items()}
        process.taken = True
        doubt = sum(
            offset not in _settled(self.outcomes, where, self.ids)
            for where, (_, state) in states.items()
            for offset in state.open
            if state.divert is None or offset < state.divert.mid
        )
        self.worst_doubt = max(self.worst_doubt, doubt)

    def _issue(self, process: Process) -> None:
        process.plan = process.lane.commit_plan(self.now)

    def _answer_commit(self, process: Process) -> None:
        plan = process.plan
        assert plan is not None
        process.plan = None
        if self.fenced(process):
            self._stop(process)
            return
        self._commit(plan)
        process.lane.committed(plan)
        process.lane.active = True
        for tp in plan.commits:
            where = (int(tp.topic[3:]), tp.partition)
            process.acked_high[where] = process.lane.reservations.queue(where).high

    def fenced(self, process: Process) -> bool:
        """Rule 4: the broker refuses a commit of another take."""
        return process.generation != self.generation

    def keeps_memory(self, process: Process) -> bool:
        """Rule 6: only if every commit still has our token."""
        return {decode(commit).token for commit in self.commits.values()} == {process.lane.reservations.token}

    def _commit(self, plan: CommitPlan) -> None:
        for tp, commit in plan.commits.items():
            self.commits[int(tp.topic[3:]), tp.partition] = commit

    def _lose_commit_answer(self, process: Process) -> None:
        plan = process.plan
        assert plan is not None
        self.faults.unknown_commits -= 1
        commits = {(int(tp.topic[3:]), tp.partition): commit for tp, commit in plan.commits.items()}
        self.late_commit = (process.generation, commits)
        process.plan = None
        if not self.unknown_ends_take:
            process.lane.reservations.not_committed(plan)
            return
        # Rule 5: the take is over; it joins again, which is a new take of the same process.
        process.lane.active = False
        process.lane.reservations.not_committed(plan)
        if process.generation == self.generation:
            self.generation += 1
            self._rejoin(process)
        else:
            self._stop(process)

    def _late_commit_lands(self) -> None:
        assert self.late_commit is not None
        generation, commits = self.late_commit
        self.late_commit = None
        if generation == self.generation:
            self.commits.update(commits)

    def _rejoin(self, process: Process) -> None:
        """Rule 6: memory is kept only if the commit still has our token."""
        process.generation = self.generation
        if self.keeps_memory(process):
            process.lane.resume()
            return
        self._stop(process)
        self.processes.append(self._process())

    def _feed(self, process: Process, where: Where) -> None:
        start = process.positions[where]
        records = self.queues[where][start : start + 2]
        process.positions[where] = records[-1].offset + 1
        process.lane.feed(*where, records, NOW_MS)

    def _bind(self, process: Process) -> None:
        process.lane.bound = True

    def _pump(self, process: Process) -> None:
        self.now += 0.5
        for token, _ in process.lane.pump(self.now, NOW_MS):
            place = token.slot.place
            if place.offset >= process.acked_high[place.cls, place.partition]:
                raise Broken(f"R1 offset {place.offset} written at or above high {process.acked_high}")
            if self.faults.throttles:
                self.faults.throttles -= 1
                process.flights.append(Flight(token, True, CommandStatus.ESME_RTHROTTLED))
                continue
            arrived = True
            if self.faults.losses:
                self.faults.losses -= 1
                arrived = False
            process.flights.append(Flight(token, arrived, 0))
            if arrived and token.slot.message is not None:
                self.submits[token.slot.message.id, token.part] += 1

    def _answer(self, process: Process, flight: Flight) -> None:
        process.flights.remove(flight)
        answer = Answer(flight.token, flight.status, "" if flight.status else f"id{len(self.steps)}")
        process.lane.answered([answer], self.now, NOW_MS)

    def _time_out(self, process: Process) -> None:
        flight = process.flights.pop(0)
        self.faults.timeouts = max(0, self.faults.timeouts - 1)
        process.late.append(flight)
        process.lane.unanswered([flight.token], "no_answer", self.now, NOW_MS)

    def _late_answer(self, process: Process, flight: Flight) -> None:
        process.late.remove(flight)
        process.lane.late([Answer(flight.token, flight.status, "late")], self.now, NOW_MS)

    def _divert(self, process: Process) -> None:
        """The bind is gone for long, or (with the bind up and nothing out) an operator drains the carrier."""
        self.faults.diversions -= 1
        if process.flights:
            process.lane.bound = False
            flights, process.flights, process.late = process.flights, [], []
            process.lane.unanswered([flight.token for flight in flights], "bind_lost", self.now, NOW_MS)
        process.lane.diversion.begin("alpha")

    def _drain(self, process: Process) -> None:
        """By an operator, of a carrier that is up and does not answer: what is out stays out."""
        self.faults.diversions -= 1
        process.lane.diversion.begin("alpha")

    def _change_routes(self) -> None:
        """Copies go to gamma, not to beta, from now on."""
        self.faults.route_changes -= 1
        self.routes = "other"
        for process in self.processes:
            process.lane.diversion.routes = self.routes

    def _land_copy(self, process: Process) -> None:
        """The other carrier's lane is ideal: it sends each (message, hop) once."""
        slot, copy = process.copies.pop(0)
        item = decode_mt(copy.value)
        if (copy.to, item.id, item.hop) not in self.seen_elsewhere:
            self.seen_elsewhere.add((copy.to, item.id, item.hop))
            for part in range(self.segments[item.id]):
                self.submits[item.id, part] += 1
        if process.alive:
            process.lane.diversion.copied(slot, copy, NOW_MS)

    def _drop_bind(self, process: Process) -> None:
        self.faults.bind_drops -= 1
        process.lane.bound = False
        flights, process.flights, process.late = process.flights, [], []
        process.lane.unanswered([flight.token for flight in flights], "bind_lost", self.now, NOW_MS)

    def _land(self, process: Process) -> None:
        parcel = process.produces.pop(0)
        self.outcomes[parcel.partition] += [decode_outcome(value or b"") for _, value in parcel.entries]
        if process.alive:
            process.lane.published(parcel)

    def _crash(self, process: Process) -> None:
        self.faults.crashes -= 1
        self._stop(process)

    def _stop(self, process: Process) -> None:
        process.alive = False
        process.produces += process.lane.outbox.take() if process.generation != self.generation else []
        process.plan = None

    def _move(self) -> None:
        self.faults.moves -= 1
        self._succeed()

    def _succeed(self) -> None:
        self.generation += 1
        self.processes.append(self._process())

    def _return(self, process: Process) -> None:
        self.faults.returns -= 1
        self.generation += 1
        if process.plan is not None:
            process.lane.reservations.not_committed(process.plan)
            process.plan = None
        self._rejoin(process)

    # ---- running

    def run(self, choose: Choose, limit: int = 1000) -> None:
        """Raises Broken with the steps that led there."""
        idle = 0
        while idle < 40:
            options = self.options()
            idle = 0 if any(not _IDLE.search(label) for label, _ in options) else idle + 1
            if not options:
                break
            self.now += 0.15
            label, step = options[choose([label for label, _ in options])]
            if _OFTEN.search(label):
                step()
                continue
            self.steps.append(label)
            if len(self.steps) > limit:
                raise Broken("does not come to an end: " + "; ".join(self.steps[-30:]))
            step()
            self._check()
        self._check_end()

    def _check(self) -> None:
        for where, commit in self.commits.items():
            state = decode(commit)
            settled = _settled(self.outcomes, where, self.ids)
            for offset in range(state.high):
                if offset not in state.open and offset not in settled:
                    raise Broken(f"I4 the commit settles {where}/{offset}, which has no durable outcome")
        listed = {outcome.id for log in self.outcomes.values() for outcome in log if isinstance(outcome, InDoubt)}
        for (identity, part), times in self.submits.items():
            if times > 1 and identity not in listed:
                raise Broken(f"I2 part {part} of a message was submitted {times} times and is listed nowhere")
        if self.worst_doubt > self.carrier.exposure_limit:
            raise Broken(f"I3 {self.worst_doubt} in doubt, more than the exposure")

    def _check_end(self) -> None:
        done = {where: _settled(self.outcomes, where, self.ids) for where in self.queues}
        told = {
            outcome.id
            for log in self.outcomes.values()
            for outcome in log
            if isinstance(outcome, SubmitOutcome | Rerouted | Deferred)
            or (isinstance(outcome, InDoubt) and outcome.action != "resending")
        }
        away = {outcome.id for log in self.outcomes.values() for outcome in log if isinstance(outcome, Rerouted)}
        arrived = {identity for identity, _ in self.submits}
        for where, queue in self.queues.items():
            for record in queue:
                if record.offset not in done[where]:
                    raise Broken(f"I1 {where}/{record.offset} has no outcome")
                if _id(record) not in told or (_id(record) in away and _id(record) not in arrived):
                    raise Broken(f"I1 the message of {where}/{record.offset} was only ever dropped")


def _id(record: MemoryRecord) -> bytes:
    return decode_mt(record.value or b"").id


def _settled(outcomes: dict[int, list[Any]], where: Where, known: dict[tuple[int, int, int], bytes]) -> set[int]:
    """Offsets of a queue with an outcome that settles them."""
    cls, partition = where
    found = set()
    for outcome in outcomes[partition]:
        settles = isinstance(
            outcome, SubmitOutcome | Rerouted | Deferred | Duplicate | Expired | Canceled | Blocked | Unreadable
        ) or (isinstance(outcome, InDoubt) and outcome.action != "resending")
        if settles and outcome.cls == cls and known.get((cls, partition, outcome.offset)) == outcome.id:
            found.add(outcome.offset)
    return found


def swarm(seed: int) -> Choose:
    """Chooses at random, with a weight for each kind of step that is drawn anew for each run: faults come late in some runs,
    answers long after everything else in others. Uniform choice would crash most processes before they did anything."""
    rng = random.Random(seed)
    weights: dict[str, float] = {}

    def choose(labels: list[str]) -> int:
        kinds = [_DIGITS.sub("", label) for label in labels]
        for kind in kinds:
            weights.setdefault(kind, 0.5 if _OFTEN.search(kind) else rng.choice((0.03, 0.2, 1.0, 3.0)))
        return rng.choices(range(len(labels)), [weights[kind] for kind in kinds])[0]

    return choose


_OFTEN = re.compile("looks for a commit|: copies$")
"""Looking for something to do, often in vain: not counted as a step."""
_DIGITS = re.compile(r"[0-9]+")
_IDLE = re.compile("looks for a commit|crash|moves the lane|goes back|the bind drops|diverts$|drains|: copies$")
"""What can go on for ever, and what nothing obliges to happen."""
