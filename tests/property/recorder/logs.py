"""Random but possible histories of a few messages, as the logs that api, scheduler and dispatchers leave in Kafka.

Each carrier's mt and outcomes partitions are logs of their own: their order is kept, how they are interleaved and cut into
batches is what the properties vary.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Literal, TypeVar

from bus.memory import MemoryRecord
from bus.ports import TopicPartition
from policy.status import ReceiptMode
from schemas import ids
from schemas.carriers import CarrierBook
from schemas.codec import encode
from schemas.ids import DAY_MS
from schemas.records import (
    Act,
    Blocked,
    Canceled,
    Cancellation,
    Deferred,
    Duplicate,
    Expired,
    InDoubt,
    MtMessage,
    Receipt,
    Record,
    Rerouted,
    Rescheduled,
    Resolved,
    Scheduled,
    SubmitOutcome,
)
from schemas.sealing import BlindIndex, check_of, partition_of
from schemas.topics import Topics
from smpp.states import MessageState

TOPICS = Topics("p-")
PARTITIONS = 2
NOW_MS = 1_790_000_000_000 // DAY_MS * DAY_MS + 40_000_000
INDEX = BlindIndex(b"k" * 32)
MODES: dict[str, ReceiptMode] = {"alpha": "each", "beta": "each", "gamma": "last"}
BOOK = CarrierBook.model_validate(
    {
        "carriers": {
            name: {"host": "h", "port": 1, "system_id": "s", "tps": 10, "partitions": PARTITIONS, "receipts": mode}
            for name, mode in MODES.items()
        }
    }
)
T = TypeVar("T")
Log = dict[TopicPartition, list[MemoryRecord]]


@dataclass
class Phone:
    """One message on its way: what the service knows of it."""

    message: MtMessage
    digits: str
    service: bytes = b""
    offset: int = 0
    sent: list[tuple[str, SubmitOutcome]] = field(default_factory=list)


class History:
    """Writes logs, step by step; `random` makes the choices (Hypothesis', or a seeded one)."""

    def __init__(self, random: Random, now_ms: int = NOW_MS, topics: Topics = TOPICS) -> None:
        self.logs: Log = {}
        self.random = random
        self.topics = topics
        self._now = now_ms
        self._smsc_id = 1000

    def pick(self, *choices: T) -> T:
        return self.random.choice(choices)

    def tick(self) -> int:
        self._now += self.pick(1, 40, 900, 7_000)
        return self._now

    def put(self, topic: str, part: int, record: Record, key: bytes | None = None) -> int:
        log = self.logs.setdefault(TopicPartition(topic, part), [])
        log.append(MemoryRecord(len(log), self._now, key, encode(record)))
        if self.random.randint(0, 9) == 0:
            # A publish that was repeated: the record stands twice.
            log.append(MemoryRecord(len(log), self._now, key, encode(record)))
        return len(log) - 1

    def phone(self, number: int) -> Phone:
        at = self.tick()
        digits = f"86138000{number:05d}"
        service = INDEX.of(digits)
        id = ids.random_ids(at, bytes([number]) * 10)[0]
        carrier = self.pick("alpha", "beta", "gamma")
        message = MtMessage(
            id, "shop", number % 3, carrier, b"sealed", INDEX.of_account("shop", digits), at, at + 300_000, 1, 0, 0, 3,
            32_000, "USD", self.pick(None, f"o-{number}"),
        )  # fmt: skip
        return Phone(message, digits, service)

    def part(self, phone: Phone) -> int:
        return partition_of(phone.service, PARTITIONS)

    def queue(self, phone: Phone, **changes: object) -> None:
        phone.message = _replace(phone.message, **changes)
        topic = self.topics.mt(phone.message.carrier, phone.message.cls)
        phone.offset = self.put(topic, self.part(phone), phone.message)

    def outcome(self, phone: Phone, record: Record) -> None:
        self.put(self.topics.outcomes(phone.message.carrier), self.part(phone), record)

    def common(self, phone: Phone) -> tuple[bytes, int, int, int, int, int, int]:
        message = phone.message
        return message.id, message.cls, phone.offset, self.tick(), 0, message.attempt, message.hop

    def submit(self, phone: Phone, code: str = "", retry_at_ms: int = 0) -> None:
        submitted = self.tick()
        parts = []
        for _ in range(1 if code else self.random.randint(1, 3)):
            self._smsc_id += 1
            parts.append("" if self.random.randint(0, 12) == 0 else format(self._smsc_id, "x"))
        outcome = SubmitOutcome(
            *self.common(phone), submitted, code, 0x45 if code else 0, tuple(parts), None, check_of(phone.service),
            retry_at_ms=retry_at_ms,
        )  # fmt: skip
        self.outcome(phone, outcome)
        phone.sent.append((phone.message.carrier, outcome))

    def receipts(self, phone: Phone) -> None:
        for carrier, outcome in phone.sent:
            for smsc_id in outcome.parts:
                for _ in range(self.random.randint(0, 3) if smsc_id else 0):
                    self.receipt(phone, carrier, smsc_id)

    def receipt(self, phone: Phone, carrier: str, smsc_id: str) -> None:
        state = self.pick(*MessageState)
        keys = (smsc_id, str(int(smsc_id, 16)))
        if self.pick(True, False):
            # The carrier writes it in decimal: found by the destination only.
            keys = (keys[1], smsc_id)
        receipt = Receipt(self.tick(), 0, keys[0], keys, state.value, "027", 0, phone.service, check_of(phone.service))
        self.put(self.topics.outcomes(carrier), self.part(phone), receipt)


def _replace(message: MtMessage, **changes: object) -> MtMessage:
    import msgspec

    return msgspec.structs.replace(message, **changes)


def _early_receipt(history: History, phone: Phone) -> None:
    """The receipt stands before the answer in the log."""
    log = history.logs.get(TopicPartition(history.topics.outcomes(phone.message.carrier), history.part(phone)), [])
    before = len(log)
    history.submit(phone)
    log = history.logs[TopicPartition(history.topics.outcomes(phone.message.carrier), history.part(phone))]
    own = log[before:]
    del log[before:]
    carrier, outcome = phone.sent[-1]
    for smsc_id in outcome.parts:
        if smsc_id:
            history.receipt(phone, carrier, smsc_id)
    for record in own:
        log.append(MemoryRecord(len(log), record.timestamp, record.key, record.value))


def _doubt(history: History, phone: Phone, action: str) -> None:
    listed = InDoubt(*history.common(phone), action, "owner_lost", phone.service)  # type: ignore[arg-type]  # drawn from the literals
    history.outcome(phone, listed)


def _life(history: History, phone: Phone) -> None:  # one branch a way of life
    way = history.pick(
        "sent", "sent", "refused", "early", "early", "scheduled", "resent", "waiting", "held", "dropped", "rerouted", "blocked",
        "blocked at intake", "expired", "canceled", "deferred", "duplicate", "unlisted",
        "cancel asked", "retried", "decided", "rescheduled", "expired early",
    )  # fmt: skip
    message = phone.message
    if way == "blocked at intake":
        blocked = Blocked(message.id, message.cls, 0, history.tick(), 0, 1, 0, "quiet_hours", message)
        history.put(history.topics.intake, 1, blocked)
        return
    if way in ("scheduled", "cancel asked", "rescheduled", "expired early"):
        history.put(history.topics.intake, 1, Scheduled(_replace(message, not_before_ms=history.tick() + 5000)))
        if way == "rescheduled":
            for _ in range(2):
                act = Act("ops", "asked", history.tick())
                history.put(history.topics.intake, 1, Rescheduled(act, message.id, "shop", act.at_ms + 90_000))
        if way in ("expired early", "rescheduled") and history.pick(True, False):
            history.put(history.topics.intake, 1, Expired(message.id, message.cls, -1, history.tick(), 0, 1, 0))
            return
        if way == "cancel asked":
            act = Act("ops", "asked", history.tick())
            history.put(history.topics.reference, 0, Cancellation(act, message.id, "shop"), b"cancel/x")
            return
    history.queue(phone, not_before_ms=1 if way in ("scheduled", "rescheduled", "expired early") else 0)
    if way == "early":
        _early_receipt(history, phone)
    elif way == "refused":
        history.submit(phone, "invalid_destination")
    elif way in ("resent", "waiting", "held", "dropped", "decided"):
        _doubt(history, phone, {"resent": "resending", "decided": "waiting"}.get(way, way))
        if way in ("waiting", "held"):
            history.queue(phone, attempt=2, possible_duplicate=True, carrier=history.pick("alpha", "beta"))
        if way == "decided":
            act = Act("ops", "asked", history.tick())
            verdicts: tuple[Literal["resend", "drop", "sent"], ...] = ("resend", "drop", "sent")
            verdict = history.random.choice(verdicts)
            history.put(history.topics.intake, 0, Resolved(act, message.id, "shop", verdict))
            if verdict != "resend":
                return
            history.queue(phone, attempt=2, possible_duplicate=True)
        if way != "dropped":
            history.submit(phone)
    elif way == "rerouted":
        history.outcome(phone, Rerouted(*history.common(phone), "beta", 40_000, 2))
        history.queue(phone, hop=1, carrier="beta", tried=(message.carrier,), price_micros=40_000)
        history.submit(phone)
    elif way == "expired":
        history.outcome(phone, Expired(*history.common(phone)))
    elif way == "canceled":
        history.outcome(phone, Canceled(*history.common(phone)))
    elif way == "blocked":
        history.outcome(phone, Blocked(*history.common(phone), "unencodable"))
    elif way == "deferred":
        history.outcome(phone, Deferred(*history.common(phone), history.tick() + 1000, "quiet_hours"))
        history.queue(phone, attempt=2)
        history.submit(phone)
    elif way == "duplicate":
        history.submit(phone)
        history.outcome(phone, Duplicate(*history.common(phone)))
    elif way == "retried":
        history.submit(phone, "carrier_busy", history.tick() + 60_000)
        if history.pick(True, False):
            # Still to come.
            return
        history.queue(phone, attempt=2, carrier=history.pick("alpha", "beta"))
        history.submit(phone)
    elif way == "unlisted":
        history.submit(phone)
        history.submit(phone)
    else:
        history.submit(phone)
    history.receipts(phone)


def history_of(random: Random, count: int, now_ms: int = NOW_MS, topics: Topics = TOPICS) -> Log:
    """The logs of so many messages' lives."""
    history = History(random, now_ms, topics)
    for number in range(count):
        _life(history, history.phone(number))
    return history.logs


def cut(random: Random, logs: Log) -> list[Log]:
    """The logs cut into batches: each partition in order, interleaved and cut at will."""
    left = {tp: list(log) for tp, log in logs.items()}
    batches = []
    while any(left.values()):
        batch: Log = {}
        places = sorted(tp for tp, log in left.items() if log)
        random.shuffle(places)
        for tp in places:
            count = random.randint(0, len(left[tp]))
            if count:
                batch[tp] = left[tp][:count]
                left[tp] = left[tp][count:]
        if batch:
            batches.append(batch)
    return batches
