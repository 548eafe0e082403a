"""A lane: what to send next and what it means that it was sent. Decides, and does no I/O (DESIGN §4, §5).

Records, answers, acknowledgements and `now` come in; segments to write, commits and outcomes to publish come out. The
shell (`dispatcher.runner`) carries them; the property tests crash it between any two calls. Rule numbers are those of §5.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import heappop, heappush
from math import ceil
from typing import Final

from bus.ports import StoredRecord, TopicPartition
from dispatcher.backlog import Backlog
from dispatcher.history import History
from dispatcher.ledger import LedgerState
from dispatcher.outbox import Outbox, Parcel
from dispatcher.pace import Pace
from dispatcher.reservations import CommitPlan, Reservations, Where
from dispatcher.seen import Place, Seen, key_of_message
from dispatcher.slots import Slot, SlotState, Token
from policy.answers import Answers, Meaning
from policy.gate import Defer, Drop, Facts, gate
from schemas.carriers import Carrier
from schemas.classes import OTP
from schemas.codec import NewerRecord, UnreadableRecord, decode_mt
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


Encode = Callable[[MtMessage], tuple[bytes, ...]]
"""The submit_sm bodies of a message for this carrier, one a segment. Raises EncodeFault."""


class Lane:
    """One bind's worth of a carrier. `share`: its segments a second; `history`: most seen-keys a partition."""

    def __init__(
        self, carrier: Carrier, number: int, share: int, encode: Encode, facts: Facts, now: float, history: int = 20_000
    ) -> None:
        self.carrier = carrier
        self.number = number
        self.active = False
        """Taken, and the take is good: may reserve and write."""
        self.bound = False
        self.lease_until = 0.0
        """Write nothing at or after this (rule 12)."""
        self.commit_s = 0.002
        """How long a commit takes, as measured."""
        self.pace = Pace(share, now)
        self.outbox = Outbox(number)
        self.backlog = Backlog(max(500, min(20_000, share)))
        self.reservations = Reservations(carrier.exposure_limit)
        self.out = 0
        """Segments sent and not answered."""
        self.stuck: dict[Where, str] = {}
        """Queues with a record of a newer release: not read on until one runs here."""
        self.dead: list[Slot] = []
        """Slots whose record must go to `dead-letters` before `buried`."""
        self._out_bulk = 0
        self._encode = encode
        self._facts = facts
        self._answers = Answers(carrier.error_rules)
        self._history = history
        self._seen: dict[int, Seen] = {}
        self._settled_before: dict[Where, dict[int, bytes]] = {}
        self._ready_otp: deque[Slot] = deque()
        self._ready_bulk: deque[Slot] = deque()
        self._again_otp: list[Slot] = []
        self._again_bulk: list[Slot] = []
        self._order = 0
        self._kept_window = max(1, carrier.window // 10) if carrier.window > 1 else 0

    # ---- taking the lane

    def install(
        self,
        token: str,
        states: Mapping[Where, tuple[TopicPartition, LedgerState]],
        histories: Iterable[History],
    ) -> None:
        """Begins a take (rule 7): ledgers as committed, and the history of each partition, read to its end after them.

        Commit `commit_plan` (the token) next; then feed from `reservations.starts()`: what is in doubt is listed as its
        record comes, unless the history settled that very message.
        """
        self.reservations.install(token, states)
        for history in histories:
            known = self._seen[history.partition] = Seen(self._history)
            for key, place in history.seen:
                known.add(key, place)
            for cls, settled in history.settled.items():
                self._settled_before[cls, history.partition] = settled

    def resume(self) -> None:
        """The take is renewed with our own token in force (rule 6): go on with what we know."""
        self.reservations.renew()
        self.active = True

    # ---- records

    def feed(self, cls: int, partition: int, records: Sequence[StoredRecord], now_ms: int) -> None:
        """Records of a queue in order. Below `high` only those in doubt count, the others were settled."""
        where = (cls, partition)
        if where in self.stuck:
            return
        high = self.reservations.queue(where).high
        if records[0].offset < high:
            doubtful = self.reservations.doubtful(where)
            for record in records:
                if record.offset in doubtful:
                    self._list_lost(where, record, now_ms)
            self._give_up_missing(where, records[-1].offset, now_ms)
            records = [record for record in records if record.offset >= high]
        if records:
            self.backlog.add(cls, partition, records)

    def _give_up_missing(self, where: Where, read: int, now_ms: int) -> None:
        """An offset in doubt that its log does not have any more can't be sent; its outcome says so."""
        doubtful = self.reservations.doubtful(where)
        if where in self.stuck:
            return
        for offset in [offset for offset in doubtful if offset <= read]:
            self.reservations.listed(where, offset)
            self._order += 1
            slot = Slot(Place(*where, offset), None, None, self._order)
            self._publish(slot).unreadable(slot, "the log does not have this offset any more", now_ms)

    def _list_lost(self, where: Where, record: StoredRecord, now_ms: int) -> None:
        slot = self._slot(where, record)
        if slot is None:
            return
        self.reservations.listed(where, record.offset)
        message = slot.message
        settled = self._settled_before.get(where, {}).get(record.offset)
        if settled is not None and settled == (message.id if message is not None else b""):
            self.reservations.settle(slot.place)
        elif message is None:
            self._bury(slot, slot.fault)
        elif self._seen_before(slot):
            self._publish(slot).duplicate(slot, message, now_ms)
        else:
            self._doubt(slot, message, "owner_lost", now_ms)

    def _slot(self, where: Where, record: StoredRecord) -> Slot | None:
        """The slot of a record; None when its queue is stuck at a record of a newer release."""
        if where in self.stuck:
            return None
        self._order += 1
        place = Place(*where, record.offset)
        try:
            message = decode_mt(record.value or b"")
        except NewerRecord as fault:
            self.stuck[where] = str(fault)
            return None
        except UnreadableRecord as fault:
            slot = Slot(place, None, None, self._order)
            slot.raw, slot.fault = record, str(fault)
            return slot
        slot = Slot(place, message, key_of_message(message), self._order)
        slot.raw = record
        return slot

    @property
    def _told(self) -> bool:
        """Every record in doubt was read and its notice handed on; until then nothing is written, not even of another
        class: it may be a repeat of one of them. The doubts of a stuck queue wait for the newer release."""
        return not self.reservations.doubts_left or self.reservations.doubts_only_in(self.stuck)

    # ---- commits

    def commit_plan(self, now: float) -> CommitPlan | None:
        """The commit to make now, if any."""
        if self.active and self.bound and self._told:
            self._reserve()
        return self.reservations.plan(now, in_a_hurry=not self.active)

    def committed(self, plan: CommitPlan) -> None:
        """Kafka acknowledged the plan: its records may be written (rule 1)."""
        self.reservations.committed(plan)
        for slot in plan.slots:
            slot.state = SlotState.READY
            (self._ready_otp if slot.place.cls == OTP else self._ready_bulk).append(slot)

    def _reserve(self) -> None:
        """Reserves ahead of need, inside the budget (rule 3)."""
        reservations, backlog = self.reservations, self.backlog
        stride = max(1, ceil(self.pace.rate * max(2 * self.commit_s, AHEAD_S)))
        ahead = len(self._ready_otp) + len(self._ready_bulk) + len(reservations.waiting)
        while reservations.room(bulk=False):
            found = backlog.take(otp=True, bulk=ahead < stride and reservations.room(bulk=True))
            if found is None:
                break
            cls, (partition, record) = found
            slot = self._slot((cls, partition), record)
            if slot is not None:
                reservations.reserve(slot)
                ahead += 1

    # ---- writing

    def pump(self, now: float, now_ms: int) -> list[tuple[Token, bytes]]:
        """The segments to write at this moment, in order."""
        batch: list[tuple[Token, bytes]] = []
        if not (self.active and self.bound and self._told) or now >= self.lease_until:
            return batch
        bulk_window = self.carrier.window - self._kept_window
        left = min(self.pace.available(now), self.carrier.window - self.out)
        while left > 0:
            slot = self._next(bulk=self._out_bulk < bulk_window)
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
                self._send_again(slot)
        if batch:
            self.pace.took(len(batch), now)
        return batch

    def _next(self, bulk: bool) -> Slot | None:
        """The slot whose turn it is; one that was settled meanwhile (a late answer) is passed over."""
        while True:
            if self._again_otp:
                slot = heappop(self._again_otp)
            elif self._ready_otp:
                slot = self._ready_otp.popleft()
            elif not bulk:
                return None
            elif self._again_bulk:
                slot = heappop(self._again_bulk)
            elif self._ready_bulk:
                slot = self._ready_bulk.popleft()
            else:
                return None
            if slot.state is SlotState.READY or (slot.state is SlotState.OUT and slot.todo):
                return slot

    def _may_go(self, slot: Slot, now_ms: int) -> bool:
        """Gate, seen-check and encoding, immediately before the first write or a resend. False: it has its outcome."""
        if slot.started:
            return True
        message = slot.message
        if message is None:
            self._bury(slot, slot.fault)
            return False
        decision = gate(message, self._facts, now_ms)
        if isinstance(decision, Drop):
            self._publish(slot).dropped(slot, message, decision.code, now_ms)
            return False
        if isinstance(decision, Defer):
            self._publish(slot).deferred(slot, message, decision.until_ms, decision.code, now_ms)
            return False
        if not slot.bodies and not self._load(slot, message, now_ms):
            return False
        self._remember(slot)
        return True

    def _load(self, slot: Slot, message: MtMessage, now_ms: int) -> bool:
        if not slot.doubted and self._seen_before(slot):
            self._publish(slot).duplicate(slot, message, now_ms)
            return False
        try:
            slot.load(self._encode(message))
        except EncodeFault as fault:
            if fault.unreadable:
                self._bury(slot, fault.reason)
            else:
                self._publish(slot).dropped(slot, message, fault.code, now_ms)
            return False
        slot.submitted_ms = now_ms
        return True

    def _bury(self, slot: Slot, reason: str) -> None:
        slot.fault = reason
        slot.state = SlotState.PUBLISHING
        self.dead.append(slot)

    def _seen_before(self, slot: Slot) -> bool:
        seen = self._seen.get(slot.place.partition)
        return seen is not None and slot.key is not None and seen.other(slot.key, slot.place)

    def _remember(self, slot: Slot) -> None:
        if slot.key is not None:
            partition = slot.place.partition
            seen = self._seen.get(partition)
            if seen is None:
                seen = self._seen[partition] = Seen(self._history)
            seen.add(slot.key, slot.place)

    # ---- answers

    def answered(self, answers: Iterable[Answer[Token]], now: float, now_ms: int) -> None:
        """The carrier's answers to segments that were out."""
        for (slot, part, epoch), status, message_id in answers:
            self.out -= 1
            self._out_bulk -= slot.place.cls != OTP
            if epoch == slot.epoch:
                self._answer(slot, part, status, message_id, now, now_ms)
            else:
                self._late_copy(slot, part, status, message_id, now_ms)

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
            if slot.state is SlotState.OUT:
                self._send_again(slot)
        else:
            slot.failed(part, status, code)
        if slot.finished and slot.message is not None:
            self._publish(slot).submitted(slot, slot.message, now_ms)

    def _late_copy(self, slot: Slot, part: int, status: int, message_id: str, now_ms: int) -> None:
        if self._answers[status].meaning is Meaning.ACCEPTED and slot.message is not None:
            self.outbox.late_copy(slot, slot.message, part, message_id, now_ms)

    def unanswered(self, tokens: Iterable[Token], reason: InDoubtReason, now_ms: int) -> None:
        """No answer in time, or the bind is gone: in doubt in place (rule 10)."""
        for slot, _, epoch in tokens:
            self.out -= 1
            self._out_bulk -= slot.place.cls != OTP
            if epoch == slot.epoch and slot.state is SlotState.OUT and slot.message is not None:
                self._doubt(slot, slot.message, reason, now_ms)

    def _doubt(self, slot: Slot, message: MtMessage, reason: InDoubtReason, now_ms: int) -> None:
        action = _ACTIONS[self.carrier.in_doubt.by_class[slot.place.cls]]
        slot.state = SlotState.LISTING if action == "resending" else SlotState.PUBLISHING
        self._remember(slot)
        until_ms = now_ms + round(self.carrier.in_doubt_wait_s * 1000) if action == "waiting" else 0
        self.outbox.doubt(slot, message, action, reason, now_ms, until_ms)

    def _send_again(self, slot: Slot) -> None:
        """Goes before what was never written, in its own order (rule 11)."""
        if slot.state is not SlotState.OUT:
            slot.state = SlotState.READY
        heappush(self._again_otp if slot.place.cls == OTP else self._again_bulk, slot)

    # ---- outcomes

    def _publish(self, slot: Slot) -> Outbox:
        slot.state = SlotState.PUBLISHING
        return self.outbox

    def buried(self, slot: Slot, now_ms: int) -> None:
        """`dead-letters` has the bytes of a slot of `dead`."""
        self._publish(slot).unreadable(slot, slot.fault, now_ms)

    def published(self, parcel: Parcel) -> None:
        """Kafka acknowledged a parcel of the outbox (rule 2)."""
        for slot, effect in parcel.slots:
            if effect == "settle":
                if slot.state is not SlotState.DONE:
                    slot.state = SlotState.DONE
                    self.reservations.settle(slot.place)
            elif effect == "resend" and slot.state is SlotState.LISTING:
                slot.doubted = True
                self._send_again(slot)

    # ---- timers

    def deadline(self, now: float) -> float | None:
        """When `pump` or `commit_plan` may have something to do that no event will bring; None: only events do."""
        commit = self.reservations.deadline()
        if not (self.active and self.bound and self._told and self._something_to_write()):
            return commit
        wait = max(1, min(int(self.pace.rate * 0.002), self.carrier.window - self.out))
        write = self.pace.ready_at(wait, now)
        return write if commit is None else min(commit, write)

    def _something_to_write(self) -> bool:
        if self.out >= self.carrier.window:
            return False
        if self._again_otp or self._ready_otp:
            return True
        bulk = self._out_bulk < self.carrier.window - self._kept_window
        return bulk and bool(self._again_bulk or self._ready_bulk)
