"""The decision about one message at acceptance: from an order to a sealed record in the right queue, or a Refusal.

Knows no HTTP and does no I/O: number, class, sender, route, segments, price, sealing, each a step with values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from api.bodies import Order
from api.problems import refusal
from api.times import send_at_of
from bus.ports import Entry, TopicPartition
from policy.routing import Choice, Router
from schemas.addresses import AddressError, check_sender, normalize_destination
from schemas.carriers import Carrier, CarrierBook
from schemas.classes import CLASS_NAMES, CLASS_NUMBERS
from schemas.codec import encode
from schemas.ids import identity
from schemas.records import BatchAccepted, Extras, MtMessage, Scheduled
from schemas.sealing import BlindIndex, Sealer, partition_of
from schemas.topics import Topics, intake_partition
from smpp.text.modes import MODE_BY_LABEL, Mode
from smpp.text.segments import Form, Measure, TooLong, Unencodable, measure

TTL_S: Final = {"otp": 300, "notice": 86_400, "marketing": 86_400}


class Caller(NamedTuple):
    """Who asks: what the API key stands for."""

    key_id: str
    account: str
    scopes: frozenset[str]
    live: bool


class Stamp(NamedTuple):
    """What the shell gives a message: its id, the time of acceptance (Unix milliseconds) and what it belongs to."""

    id: bytes
    at_ms: int
    body_hash: bytes | None = None
    batch: bytes | None = None


class Accepted(NamedTuple):
    """A message to publish: 202 once `queue` holds `entry`. Its `not_before_ms` is 0 when it goes to a lane at once."""

    message: MtMessage
    queue: TopicPartition
    entry: Entry


class Plan(NamedTuple):
    """What a message may expect: which carrier, written how."""

    digits: str
    cls: int
    sender: str
    mode: Mode
    choice: Choice
    measured: Measure
    send_at_ms: int
    """0: at once."""


@dataclass(frozen=True, slots=True)
class _Queues:
    """One carrier as acceptance needs it. `by_class[cls][partition]` names a queue."""

    form: Form
    by_class: tuple[tuple[TopicPartition, ...], ...]

    @classmethod
    def of(cls, carrier: Carrier, topics: Topics) -> _Queues:
        return cls(
            Form(carrier.default_alphabet, carrier.long_message),
            tuple(
                tuple(TopicPartition(topics.mt(carrier.name, number), p) for p in range(carrier.partitions))
                for number in range(len(CLASS_NAMES))
            ),
        )


class Intake:
    """Accepts messages as carriers.toml, the switches and the carriers' binds stand now; made anew when any changes.

    `closed`: carriers that get no new traffic. `shares`: how much of theirs the others get (policy.ramp); who is not named
    gets all.
    """

    def __init__(
        self,
        book: CarrierBook,
        closed: Iterable[str],
        topics: Topics,
        sealer: Sealer,
        blind: BlindIndex,
        shares: Mapping[str, float] | None = None,
    ) -> None:
        self._router = Router(book, closed, shares)
        self._queues: Mapping[str, _Queues] = {
            name: _Queues.of(carrier, topics) for name, carrier in book.carriers.items()
        }
        self._intake = topics.intake
        self._seal = sealer.seal
        self._blind = blind

    def plan(self, order: Order, message_id: bytes, live: bool, now_ms: int) -> Plan:
        """Everything that can be told before sealing. Raises Refusal."""
        send_at_ms = 0 if order.send_at is None else send_at_of(order.send_at, now_ms)
        digits = _destination(order.to)
        sender = _sender(order.sender)
        cls = CLASS_NUMBERS[order.cls]
        choice = self._router.route(digits, cls, identity(message_id), test=not live)
        if choice is None:
            what = f"{order.cls} messages for this prefix" + ("" if live else " from a test key")
            raise refusal("no_route", f"`to`: no carrier takes {what}", "to")
        mode = MODE_BY_LABEL[order.encoding]
        measured = _measured(order, mode, self._queues[choice.carrier.name].form)
        return Plan(digits, cls, sender, mode, choice, measured, send_at_ms)

    def form_of(self, carrier: str) -> Form:
        """How a carrier of the book takes texts."""
        return self._queues[carrier].form

    def accept(self, order: Order, caller: Caller, stamp: Stamp) -> Accepted:
        """The record of one message. Raises Refusal."""
        plan = self.plan(order, stamp.id, caller.live, stamp.at_ms)
        digits, cls, sender, mode, (carrier, _), (alphabet, segments), send_at_ms = plan
        index = self._blind.of(digits)
        ttl_s = order.ttl_s or TTL_S[order.cls]
        message = MtMessage(
            stamp.id,
            caller.account,
            cls,
            carrier.name,
            self._seal(stamp.id, digits, sender, order.text),
            self._blind.of_account(caller.account, digits),
            stamp.at_ms,
            max(stamp.at_ms, send_at_ms) + ttl_s * 1000,
            segments,
            int(mode),
            int(alphabet),
            order.max_segments,
            carrier.price_micros * segments,
            carrier.currency,
            order.client_ref,
            stamp.batch,
            stamp.body_hash,
            test=not caller.live,
            not_before_ms=send_at_ms if is_scheduled(send_at_ms, stamp) else 0,
            extras=_extras(order),
        )
        if message.not_before_ms:
            return Accepted(message, *self.intake_entry(stamp.id, Scheduled(message)))
        queue = self._queues[carrier.name].by_class[cls][partition_of(index, carrier.partitions)]
        return Accepted(message, queue, (index, encode(message)))

    def batch_entry(self, record: BatchAccepted) -> tuple[TopicPartition, Entry]:
        """Where the record of a batch goes, and what goes there."""
        return self.intake_entry(record.id, record)

    def intake_entry(self, id: bytes, record: BatchAccepted | Scheduled) -> tuple[TopicPartition, Entry]:
        return TopicPartition(self._intake, intake_partition(id)), (id, encode(record))


def is_scheduled(send_at_ms: int, stamp: Stamp) -> bool:
    """Whether a message waits for the scheduler.

    With an Idempotency-Key this follows from the request alone, not from the time: else a repeat that comes when `send_at` is
    past would go straight to a lane, which could not know it for a repeat of what the scheduler releases.
    """
    return send_at_ms > stamp.at_ms or (send_at_ms > 0 and stamp.body_hash is not None)


def _destination(typed: str) -> str:
    try:
        return normalize_destination(typed)
    except AddressError as fault:
        raise refusal("invalid_number", f"`to`: {fault}", "to") from None


def _sender(typed: str) -> str:
    try:
        return check_sender(typed)
    except AddressError as fault:
        raise refusal("invalid_sender", f"`sender`: {fault}", "sender") from None


def _measured(order: Order, mode: Mode, form: Form) -> Measure:
    try:
        measured = measure(order.text, mode, form)
    except Unencodable as fault:
        raise refusal("unencodable", f"`text`: {fault}", "text") from None
    except TooLong as too_long:
        raise refusal("too_many_segments", f"`text`: {too_long}", "text") from None
    if measured.segments > order.max_segments:
        told = f"`text` takes {measured.segments} segments of {measured.alphabet.label}"
        raise refusal("too_many_segments", f"{told}, max_segments is {order.max_segments}", "text")
    return measured


def _extras(order: Order) -> Extras | None:
    if not (order.campaign or order.tags or order.metadata):
        return None
    return Extras(order.campaign, tuple(order.tags), order.metadata or None)
