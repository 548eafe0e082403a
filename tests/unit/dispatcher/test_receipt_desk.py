"""Receipts wait for Kafka within a bound, and none is acknowledged before Kafka has it (promise P3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bus.ports import Entry
from dispatcher.receipts import MOST_WAITING, ReceiptDesk
from schemas.carriers import CarrierBook
from schemas.codec import decode_outcome
from schemas.records import Receipt
from schemas.sealing import BlindIndex, Sealer
from schemas.topics import Topics
from smpp.core.constants import DELIVER_SM
from smpp.core.sm import NO_TLVS, Delivery
from tests.unit.dispatcher.rig import NOW_MS, carrier

BUSY = 0x64


class SlowKafka:
    """Acknowledges when it is told to."""

    def __init__(self) -> None:
        self.under_way: list[tuple[Sequence[Entry], Callable[[Exception | None], None]]] = []

    def publish(
        self, topic: str, partition: int, entries: Sequence[Entry], done: Callable[[Exception | None], None], *,
        lasting: bool = False,
    ) -> None:  # fmt: skip
        assert lasting
        self.under_way.append((entries, done))

    def acknowledge(self, fault: Exception | None = None) -> None:
        under_way, self.under_way = self.under_way, []
        for _, done in under_way:
            done(fault)


class Connection:
    def __init__(self) -> None:
        self.answers: list[tuple[int, int]] = []
        """Sequence and status."""

    def respond(self, deliveries: Sequence[tuple[int, int]], status: int = 0) -> None:
        self.answers += [(sequence, status) for sequence, _ in deliveries]


def desk(kafka: SlowKafka) -> ReceiptDesk:
    alpha = carrier()
    book = CarrierBook(carriers={"alpha": alpha})
    sealer, index = Sealer({1: bytes(32)}, bytes(6)), BlindIndex(bytes(32))
    publisher: Any = kafka
    return ReceiptDesk(alpha, 0, 0, Topics(""), publisher, sealer, index, lambda: book)


def receipts(first: int, count: int) -> list[Delivery]:
    text = b"id:%d sub:001 dlvrd:001 submit date:2611221200 done date:2611221201 stat:DELIVRD err:000 text:hi"
    return [
        Delivery(number, DELIVER_SM, 1, "8613800000000", "Acme", 4, 0, text % number, NO_TLVS)
        for number in range(first, first + count)
    ]


def take(place: ReceiptDesk, connection: Connection, deliveries: list[Delivery]) -> None:
    peer: Any = connection
    place.take(peer, deliveries, NOW_MS)


def test_it_is_answered_when_kafka_has_it_and_not_before() -> None:
    kafka, connection = SlowKafka(), Connection()
    place = desk(kafka)
    take(place, connection, receipts(1, 3))
    assert connection.answers == []
    record = decode_outcome(kafka.under_way[0][0][0][1] or b"")
    assert isinstance(record, Receipt)
    kafka.acknowledge()
    assert connection.answers == [(1, 0), (2, 0), (3, 0)]
    assert place.waiting == 0


def test_what_kafka_never_got_is_not_answered() -> None:
    kafka, connection = SlowKafka(), Connection()
    place = desk(kafka)
    take(place, connection, receipts(1, 3))
    kafka.acknowledge(RuntimeError("stopped"))
    assert connection.answers == []
    assert place.waiting == 0


def test_while_kafka_is_slow_a_flood_is_bounded_and_the_rest_is_sent_back() -> None:
    kafka, connection = SlowKafka(), Connection()
    place = desk(kafka)
    for burst in range(100):
        take(place, connection, receipts(1 + burst * 1000, 1000))
    assert place.waiting == MOST_WAITING
    assert sum(len(entries) for entries, _ in kafka.under_way) == MOST_WAITING
    assert {status for _, status in connection.answers} == {BUSY}
    assert len(connection.answers) == 100_000 - MOST_WAITING
    kafka.acknowledge()
    assert [status for _, status in connection.answers].count(0) == MOST_WAITING
    connection.answers.clear()
    take(place, connection, receipts(1, 1))
    kafka.acknowledge()
    assert connection.answers == [(1, 0)]
