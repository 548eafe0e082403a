"""The decision about one message at acceptance: from an order to a sealed record in the right queue, or a Refusal.

Knows no HTTP and does no I/O: number, class, sender, route, segments, price, sealing, each a step with values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from api.bodies import Order
from api.problems import refusal
from bus.ports import Entry, TopicPartition
from policy.routing import Choice, Router
from schemas.addresses import AddressError, check_sender, normalize_destination
from schemas.carriers import Carrier, CarrierBook
from schemas.classes import CLASS_NAMES, CLASS_NUMBERS
from schemas.codec import encode
from schemas.ids import identity
from schemas.records import BatchAccepted, Extras, MtMessage
from schemas.sealing import BlindIndex, Sealer, partition_of
from schemas.topics import INTAKE_PARTITIONS, Topics
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
    """A message to publish: 202 once `queue` holds `entry`."""

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
    """Accepts messages as carriers.toml and the switches stand now; made anew when either changes.

    `closed`: carriers that get no new traffic.
    """

    def __init__(
        self, book: CarrierBook, closed: Iterable[str], topics: Topics, sealer: Sealer, blind: BlindIndex
    ) -> None:
        self._router = Router(book, closed)
        self._queues: Mapping[str, _Queues] = {
            name: _Queues.of(carrier, topics) for name, carrier in book.carriers.items()
        }
        self._intake = tuple(TopicPartition(topics.intake, p) for p in range(INTAKE_PARTITIONS))
        self._seal = sealer.seal
        self._blind = blind

    def plan(self, order: Order, message_id: bytes, live: bool) -> Plan:
        """Everything that can be told before sealing. Raises Refusal."""
        digits = _destination(order.to)
        sender = _sender(order.sender)
        cls = CLASS_NUMBERS[order.cls]
        choice = self._router.route(digits, cls, identity(message_id), test=not live)
        if choice is None:
            what = f"{order.cls} messages for this prefix" + ("" if live else " from a test key")
            raise refusal("no_route", f"`to`: no carrier takes {what}", "to")
        mode = MODE_BY_LABEL[order.encoding]
        return Plan(digits, cls, sender, mode, choice, _measured(order, mode, self._queues[choice.carrier.name].form))

    def form_of(self, carrier: str) -> Form:
        """How a carrier of the book takes texts."""
        return self._queues[carrier].form

    def accept(self, order: Order, caller: Caller, stamp: Stamp) -> Accepted:
        """The record of one message. Raises Refusal."""
        digits, cls, sender, mode, (carrier, _), (alphabet, segments) = self.plan(order, stamp.id, caller.live)
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
            stamp.at_ms + ttl_s * 1000,
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
            extras=_extras(order),
        )
        queue = self._queues[carrier.name].by_class[cls][partition_of(index, carrier.partitions)]
        return Accepted(message, queue, (index, encode(message)))

    def batch_entry(self, record: BatchAccepted) -> tuple[TopicPartition, Entry]:
        """Where the record of a batch goes, and what goes there."""
        # The end of the id: its start is the time, the same for all batches of a moment.
        partition = int.from_bytes(record.id[-4:], "big") % INTAKE_PARTITIONS
        return self._intake[partition], (record.id, encode(record))


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
    except TooLong as fault:
        raise refusal("too_many_segments", f"`text`: {fault}", "text") from None
    if measured.segments > order.max_segments:
        told = f"`text` takes {measured.segments} segments of {measured.alphabet.label}"
        raise refusal("too_many_segments", f"{told}, max_segments is {order.max_segments}", "text")
    return measured


def _extras(order: Order) -> Extras | None:
    if not (order.campaign or order.tags or order.metadata):
        return None
    return Extras(order.campaign, tuple(order.tags), order.metadata or None)
