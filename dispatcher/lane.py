"""A lane: what to send next and what it means that it was sent. Decides, and does no I/O (DESIGN §4, §5).

Records, answers, acknowledgements and `now` come in; segments to write, copies for other carriers, commits and outcomes to
publish come out. The shell (`dispatcher.runner`) carries them; the property tests crash it between any two calls. Rule
numbers are those of §5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import ceil
from typing import Final

from bus.ports import StoredRecord, TopicPartition
from dispatcher.backlog import Backlog
from dispatcher.diversion import Diversion, Reroute
from dispatcher.history import History
from dispatcher.ledger import LedgerState
from dispatcher.memory import Memory
from dispatcher.outbox import Outbox, Parcel
from dispatcher.pace import Pace
from dispatcher.reservations import DIVERTED_BUDGET, CommitPlan, Reservations, Where
from dispatcher.sendqueue import SendQueue
from dispatcher.slots import Slot, SlotState, Token
from policy.answers import Answers, Meaning
from policy.circuit import Circuit, CircuitState
from policy.gate import Defer, Drop, Facts, Go, gate
from policy.retry import next_attempt
from schemas.carriers import Carrier
from schemas.classes import CLASS_NAMES, OTP
from schemas.records import InDoubtAction, InDoubtReason, MtMessage
from smpp.core.esme import Answer

AHEAD_S: Final = 0.02
"""Least time for which records are reserved ahead: fewer commits, inside the same budget."""
_ACTIONS: Final[dict[str, InDoubtAction]] = {
    "resend": "resending",
    "wait": "waiting",
    "hold": "held",
    "drop": "dropped",
}


class EncodeFault(Exception):
    """A message that can't be sent as it is. `code`: one of policy.outcomes; `unreadable`: its bytes are at fault."""

    def __init__(self, code: str, reason: str, *, unreadable: bool = False) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.unreadable = unreadable


DIVERTED_BACKLOG: Final = 4 * DIVERTED_BUDGET
"""Records read ahead of copies, which go as fast as Kafka takes them."""


def backlog_of(share: int) -> int:
    """Records of a class to read ahead: a second's worth, but in all lanes together no more than a process has room for."""
    return max(200, min(2000, share))


Encode = Callable[[MtMessage, int], tuple[bytes, ...]]
"""(message, Unix ms) → its submit_sm bodies for this carrier, one a segment. Raises EncodeFault."""


class Lane:
    """One bind's worth of a carrier. `share`: its segments a second; `history`: most seen-keys a partition."""

    def __init__(
        self, carrier: Carrier, number: int, share: int, encode: Encode, reroute: Reroute, facts: Facts, now: float,
        history: int = 20_000,
    ) -> None:  # fmt: skip
        self.number = number
        self.active = False
        """Taken, and the take is good: may reserve and write."""
        self.bound = False
        self.paused = False
        """By an operator: the queue holds."""
        self.lease_until = 0.0
        """Write nothing at or after this (rule 12)."""
        self.commit_s = 0.002
        """How long a commit takes, as measured."""
        self.pace = Pace(share, now)
        self.circuit = Circuit()
        self.outbox = Outbox(number)
        self.backlog = Backlog(backlog_of(share))
        self.reservations = Reservations(carrier.exposure_limit)
        self.memory = Memory(history)
        self.queue = SendQueue()
        self.diversion = Diversion(self, reroute)
        self.finishing = False
        """Before a diversion with the bind up: only what is begun is written on."""
        self.out = 0
        """Segments sent and not answered."""
        self.dead: list[Slot] = []
        """Slots whose record must go to `dead-letters` before `buried`."""
        self._out_bulk = 0
        self._facts = facts
        self.configure(carrier, encode)

    def configure(self, carrier: Carrier, encode: Encode) -> None:
        """The carrier as carriers.toml has it, at the start and after a change; bind, rate and lanes are others' business."""
        self.carrier = carrier
        self._encode = encode
        self._answers = Answers(carrier.error_rules)
        self._kept_window = max(1, carrier.window // 10) if carrier.window > 1 else 0
        self.reservations.configure(carrier.exposure_limit)

    # ---- taking the lane

    def install(
        self, token: str, states: Mapping[Where, tuple[TopicPartition, LedgerState]], histories: Iterable[History]
    ) -> None:
        """Begins a take (rule 7): ledgers as committed, and the history of each partition, read to its end after them.

        Commit `commit_plan` (the token) next; then feed from `reservations.starts()`: what is in doubt is listed as its
        record comes, unless the history settled that very message.
        """
        self.reservations.install(token, states)
        self.memory.learn(histories)
        diverted = [state.divert.way for _, state in states.values() if state.divert is not None]
        if diverted:
            self.diversion.found(diverted, everywhere=len(diverted) == len(states))

    def resume(self) -> None:
        """The take is renewed with our own token in force (rule 6): go on with what we know."""
        self.reservations.renew()
        self.diversion.renewed()
        self.active = True

    @property
    def told(self) -> bool:
        """Every record in doubt was read and its notice handed on; until then nothing is written, not even of another
        class: it may be a repeat of one of them. The doubts of a stuck queue wait for the newer release."""
        return not self.reservations.doubts_left or self.reservations.doubts_only_in(self.memory.stuck)

    # ---- records

    def awaits(self, where: Where) -> bool:
        """Whether a queue has records, open at the take, that must be read before the lane may write or copy."""
        unread = self.reservations.doubtful(where) or self.reservations.covered(where)
        return bool(unread) and where not in self.memory.stuck

    def feed(self, cls: int, partition: int, records: Sequence[StoredRecord], now_ms: int) -> None:
        """Records of a queue in order. Below `high` only those count that were open when the lane was taken."""
        where = (cls, partition)
        if where in self.memory.stuck:
            return
        high = self.reservations.queue(where).high
        if records[0].offset < high:
            doubtful, covered = self.reservations.doubtful(where), self.reservations.covered(where)
            for record in records:
                if record.offset in doubtful:
                    self._list_lost(where, record, now_ms)
                elif record.offset in covered:
                    self._copy_again(where, record)
            self._give_up_missing(where, records[-1].offset, now_ms)
            records = [record for record in records if record.offset >= high]
        if records:
            self.backlog.add(cls, partition, records)

    def _list_lost(self, where: Where, record: StoredRecord, now_ms: int) -> None:
        slot = self.memory.slot(where, record)
        if slot is None:
            return
        self.reservations.listed(where, record.offset)
        message = slot.message
        if self.memory.was_settled(slot):
            self.reservations.settle(slot.place)
        elif message is None:
            self._bury(slot, slot.fault)
        elif self.memory.seen_before(slot):
            self.publish(slot).duplicate(slot, message, now_ms)
        else:
            self.doubt(slot, message, "owner_lost", now_ms)

    def _copy_again(self, where: Where, record: StoredRecord) -> None:
        slot = self.memory.slot(where, record)
        if slot is not None:
            self.reservations.read_covered(where, record.offset)
            if self.memory.was_settled(slot):
                self.reservations.settle(slot.place)
            else:
                self.diversion.maybe_copied(slot)

    def _give_up_missing(self, where: Where, read: int, now_ms: int) -> None:
        """An offset in doubt that its log does not have any more can't be sent; its outcome says so."""
        if where in self.memory.stuck:
            return
        for offset in [offset for offset in self.reservations.doubtful(where) if offset <= read]:
            self.reservations.listed(where, offset)
            slot = self.memory.missing(where, offset, "the log does not have this offset any more")
            self.publish(slot).unreadable(slot, slot.fault, now_ms)

    # ---- commits

    def commit_plan(self, now: float) -> CommitPlan | None:
        """The commit to make now, if any."""
        if (self.may_write and not self.finishing) or (self.active and self.told and self.diversion.takes):
            self._reserve()
        plan = self.reservations.plan(now, in_a_hurry=not self.active or self.diversion.to_commit)
        if plan is not None:
            self.diversion.planned(plan)
        return plan

    def committed(self, plan: CommitPlan) -> None:
        """Kafka acknowledged the plan: its records may be written (rule 1), or copied (rule 13)."""
        self.reservations.committed(plan)
        for slot in plan.slots:
            self.queue.ready(slot)
        self.diversion.committed(plan)

    def _reserve(self) -> None:
        """Reserves ahead of need, inside the budget (rule 3)."""
        reservations, backlog = self.reservations, self.backlog
        stride = max(1, ceil(self.pace.rate * max(2 * self.commit_s, AHEAD_S)))
        if self.diversion.takes:
            stride = DIVERTED_BUDGET  # a copy has no rate
        backlog.most = max(DIVERTED_BACKLOG if self.diversion.takes else 0, backlog_of(self.pace.share))
        ahead = self.queue.fresh + len(reservations.waiting)
        while reservations.room(bulk=False):
            found = backlog.take(otp=True, bulk=ahead < stride and reservations.room(bulk=True))
            if found is None:
                break
            cls, (partition, record) = found
            slot = self.memory.slot((cls, partition), record)
            if slot is not None:
                reservations.reserve(slot)
                ahead += 1

    # ---- writing

    def pump(self, now: float, now_ms: int) -> list[tuple[Token, bytes]]:
        """The segments to write at this moment, in order."""
        batch: list[tuple[Token, bytes]] = []
        if not self.may_write or now >= self.lease_until:
            return batch
        bulk_window = self.carrier.window - self._kept_window
        left = min(self.pace.available(now), self.carrier.window - self.out)
        if self.circuit.state is not CircuitState.CLOSED:
            left = min(left, self.circuit.allows(now) or 0)
        while left > 0:
            slot = self.queue.begun() if self.finishing else self.queue.next(bulk=self._out_bulk < bulk_window)
            if slot is None:
                break
            if not self._may_go(slot, now_ms):
                continue
            if slot.state is SlotState.READY:
                slot.write_again()
                slot.state = SlotState.OUT
            bulk = slot.place.cls != OTP
            room = min(left, bulk_window - self._out_bulk) if bulk else left
            while slot.todo and room > 0:
                part = slot.todo.popleft()
                slot.pending.add(part)
                batch.append((Token(slot, part, slot.epoch), slot.bodies[part]))
                room -= 1
                left -= 1
                self.out += 1
                self._out_bulk += bulk
            if slot.todo:
                self.queue.again(slot)
        if batch:
            self.pace.took(len(batch), now)
            self.circuit.wrote(len(batch))
        return batch

    @property
    def may_write(self) -> bool:
        """Nothing but rate, window and lease stands in the way of a write."""
        return self.active and self.bound and self.told and not self.paused and not self.diversion.blocks

    def _may_go(self, slot: Slot, now_ms: int) -> bool:
        """Gate, seen-check and encoding, immediately before the first write or a resend. False: it has its outcome."""
        if slot.started:
            return True
        message = self.passed(slot, now_ms)
        if message is None:
            return False
        if not slot.bodies and not self._load(slot, message, now_ms):
            return False
        self.memory.remember(slot)
        return True

    def passed(self, slot: Slot, now_ms: int) -> MtMessage | None:
        """The slot's message if the gate lets it go; otherwise it gets its outcome."""
        message = slot.message
        if message is None:
            self._bury(slot, slot.fault)
            return None
        decision = gate(message, self._facts, now_ms)
        if isinstance(decision, Drop):
            self.publish(slot).dropped(slot, message, decision.code, now_ms)
            return None
        if isinstance(decision, Defer):
            self.publish(slot).deferred(slot, message, decision.until_ms, decision.code, now_ms)
            return None
        return message

    def _load(self, slot: Slot, message: MtMessage, now_ms: int) -> bool:
        if not slot.doubted and self.memory.seen_before(slot):
            self.publish(slot).duplicate(slot, message, now_ms)
            return False
        try:
            slot.load(self._encode(message, now_ms))
        except EncodeFault as fault:
            if fault.unreadable:
                self._bury(slot, fault.reason)
            else:
                self.publish(slot).dropped(slot, message, fault.code, now_ms)
            return False
        slot.submitted_ms = now_ms
        return True

    def _bury(self, slot: Slot, reason: str) -> None:
        slot.fault = reason
        slot.state = SlotState.PUBLISHING
        self.dead.append(slot)

    # ---- answers

    def answered(self, answers: Sequence[Answer[Token]], now: float, now_ms: int) -> None:
        """The carrier's answers to segments that were out."""
        failed = 0
        for (slot, part, epoch), status, message_id in answers:
            self.out -= 1
            self._out_bulk -= slot.place.cls != OTP
            failed += status != 0 and self._answers[status].meaning is Meaning.TEMPORARY
            if epoch == slot.epoch:
                self._answer(slot, part, status, message_id, now, now_ms)
            else:
                self._late_copy(slot, part, status, message_id, now_ms)
        self.circuit.answered(len(answers) - failed, failed, now)

    def late(self, answers: Iterable[Answer[Token]], now: float, now_ms: int) -> None:
        """Answers to what `unanswered` gave up: they still settle, if the message was not sent again meanwhile."""
        for (slot, part, epoch), status, message_id in answers:
            if epoch == slot.epoch and slot.state in (SlotState.LISTING, SlotState.READY, SlotState.OUT):
                self._answer(slot, part, status, message_id, now, now_ms)
            else:
                self._late_copy(slot, part, status, message_id, now_ms)

    def _answer(self, slot: Slot, part: int, status: int, message_id: str, now: float, now_ms: int) -> None:
        meaning, code = self._answers[status]
        if meaning is Meaning.ACCEPTED:
            slot.answered(part, message_id)
        elif meaning is Meaning.THROTTLED:
            slot.refused(part)
            self.pace.refused(now)
            self._send_again_if_out(slot)
        elif meaning is Meaning.TEMPORARY and not slot.retried and not slot.code:
            # It was not sent, so the same attempt may go again: most of these are a carrier's passing fault.
            slot.retried = True
            slot.refused(part)
            self._send_again_if_out(slot)
        else:
            slot.failed(part, status, code)
        if slot.finished and slot.message is not None:
            self._finish(slot, slot.message, now_ms)

    def _finish(self, slot: Slot, message: MtMessage, now_ms: int) -> None:
        retry = None
        if slot.code and not slot.started:
            temporary = self._answers[slot.status].meaning is Meaning.TEMPORARY
            luck = message.id[-1] / 255
            retry = next_attempt(
                slot.code, message.cls, message.attempt, now_ms, message.expires_ms, luck, temporary=temporary
            )
        self.publish(slot).submitted(slot, message, now_ms, retry)

    def _send_again_if_out(self, slot: Slot) -> None:
        if slot.state is SlotState.OUT:
            self.queue.again(slot)

    def _late_copy(self, slot: Slot, part: int, status: int, message_id: str, now_ms: int) -> None:
        if self._answers[status].meaning is Meaning.ACCEPTED and slot.message is not None:
            self.outbox.late_copy(slot, slot.message, part, message_id, now_ms)

    def unanswered(self, tokens: Iterable[Token], reason: InDoubtReason, now: float, now_ms: int) -> None:
        """No answer in time, or the bind is gone: in doubt in place (rule 10)."""
        for slot, _, epoch in tokens:
            self.out -= 1
            self._out_bulk -= slot.place.cls != OTP
            self.circuit.unanswered(now)
            if epoch == slot.epoch and slot.state is SlotState.OUT and slot.message is not None:
                self.doubt(slot, slot.message, reason, now_ms)

    def doubt(self, slot: Slot, message: MtMessage, reason: InDoubtReason, now_ms: int) -> None:
        action = _ACTIONS[self.carrier.in_doubt.by_class[slot.place.cls]]
        slot.state = SlotState.LISTING if action == "resending" else SlotState.PUBLISHING
        self.memory.remember(slot)
        until_ms = now_ms + round(self.carrier.in_doubt_wait_s * 1000) if action == "waiting" else 0
        self.outbox.doubt(slot, message, action, reason, now_ms, until_ms)

    def sweep(self, now_ms: int) -> None:
        """While nothing is written: what expires, or is canceled, is told of all the same."""
        if self.may_write or not self.active or not self.told:
            return
        self.diversion.sweep(now_ms)
        for slot in list(self.queue.unwritten()):
            self.passed(slot, now_ms)
        for cls in range(len(CLASS_NAMES)):
            while self.reservations.room(bulk=False) and (head := self.backlog.head(cls)) is not None:
                first = self.memory.slot((cls, head[0]), head[1])
                if first is None or (first.message and isinstance(gate(first.message, self._facts, now_ms), Go)):
                    break
                self.backlog.drop_head(cls)
                self.reservations.reserve_dropped(first)
                self.passed(first, now_ms)

    # ---- outcomes

    def publish(self, slot: Slot) -> Outbox:
        slot.state = SlotState.PUBLISHING
        return self.outbox

    def buried(self, slot: Slot, now_ms: int) -> None:
        """`dead-letters` has the bytes of a slot of `dead`."""
        self.publish(slot).unreadable(slot, slot.fault, now_ms)

    def published(self, parcel: Parcel) -> None:
        """Kafka acknowledged a parcel of the outbox (rule 2)."""
        for slot, effect in parcel.slots:
            if effect == "settle":
                self._settle(slot)
            elif effect == "resend" and slot.state is SlotState.LISTING:
                slot.doubted = True
                self.queue.again(slot)

    def _settle(self, slot: Slot) -> None:
        if slot.state is SlotState.DONE:
            return
        slot.state = SlotState.DONE
        self.reservations.settle(slot.place)
        self.diversion.settled(slot)

    # ---- timers

    def deadline(self, now: float) -> float | None:
        """When `pump` or `commit_plan` may have something to do that no event will bring; None: only events do."""
        commit = self.reservations.deadline()
        bulk = self._out_bulk < self.carrier.window - self._kept_window
        if not self.may_write or self.out >= self.carrier.window or not self.queue.waits(bulk):
            return commit
        wait = max(1, min(int(self.pace.rate * 0.002), self.carrier.window - self.out))
        write = self.pace.ready_at(wait, now)
        if self.circuit.state is CircuitState.OPEN:
            write = max(write, self.circuit.rests_until)
        elif self.circuit.state is CircuitState.PROBING and not self.circuit.allows(now):
            return commit  # answers to the probes are events
        return write if commit is None else min(commit, write)
