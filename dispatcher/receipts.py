"""Deliveries from the carrier: read, sealed, published, and only then acknowledged (promise P3).

A delivery waits for Kafka's acknowledgement here, bounded; beyond the bound it is answered with the carrier's temporary
error, so that the SMSC keeps it and the bind stays up.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final
from zoneinfo import ZoneInfo

from bus.ports import Entry, Publisher
from runtime.metrics import MO_TOTAL, RECEIPTS, RECEIPTS_REFUSED
from schemas import ids
from schemas.carriers import Carrier, CarrierBook
from schemas.codec import encode
from schemas.records import MoMessage, Receipt
from schemas.sealing import BlindIndex, Sealer, check_of, partition_of
from schemas.topics import MO_PARTITIONS, Topics
from smpp.client import EsmeConnection
from smpp.core.constants import ESM_DELIVERY_ACK, ESM_INTERMEDIATE, ESM_RECEIPT, ESM_TYPE_MASK, ESM_UDHI, Tag
from smpp.core.sm import Delivery
from smpp.message_ids import receipt_keys
from smpp.receipt import ParsedReceipt, done_ms, parse
from smpp.states import MessageState
from smpp.text.segments import decode

MOST_WAITING: Final = 20_000
RAW_OF: Final = b"receipt"
"""Associated data of the sealed text of a receipt that could not be read."""
_RECEIPT_TYPES: Final = frozenset((ESM_RECEIPT, ESM_DELIVERY_ACK, ESM_INTERMEDIATE))


class ReceiptDesk:
    """All deliveries of one lane."""

    def __init__(
        self, carrier: Carrier, lane: int, first_partition: int, topics: Topics, publisher: Publisher, sealer: Sealer,
        index: BlindIndex, book: Callable[[], CarrierBook],
    ) -> None:  # fmt: skip
        self._book = book
        self._lane = lane
        self._first_partition = first_partition
        self._outcomes = topics.outcomes(carrier.name)
        self._mo = topics.mo
        self._publisher = publisher
        self._sealer = sealer
        self._index = index
        self.waiting = 0
        """Deliveries that are neither acknowledged nor refused yet."""
        self._states = {state: RECEIPTS.labels(carrier.name, state.name) for state in MessageState}
        self._unread = RECEIPTS.labels(carrier.name, "unreadable")
        self.configure(carrier)

    def configure(self, carrier: Carrier) -> None:
        """The carrier's quirks, now or as they are after a change of carriers.toml."""
        self._carrier = carrier
        self._zone = ZoneInfo(carrier.receipt_timezone)

    def take(self, connection: EsmeConnection[Any], deliveries: list[Delivery], now_ms: int) -> None:
        """Publishes what came on a connection and answers there when it is durable."""
        if self.waiting + len(deliveries) > MOST_WAITING:
            connection.respond([(item.sequence, item.command_id) for item in deliveries], self._carrier.busy_status)
            RECEIPTS_REFUSED.labels(self._carrier.name).inc(len(deliveries))
            return
        self.waiting += len(deliveries)
        receipts: defaultdict[int, list[Entry]] = defaultdict(list)
        answers: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        counts: defaultdict[MessageState | None, int] = defaultdict(int)
        for item in deliveries:
            if not _is_receipt(item):
                self._take_mo(connection, item, now_ms)
                continue
            partition, state, value = self._receipt(item, now_ms)
            receipts[partition].append((None, value))
            answers[partition].append((item.sequence, item.command_id))
            counts[state] += 1
        for partition, entries in receipts.items():
            self._publish(connection, self._outcomes, partition, entries, answers[partition])
        for state, count in counts.items():
            (self._unread if state is None else self._states[state]).inc(count)

    def _publish(
        self, connection: EsmeConnection[Any], topic: str, partition: int, entries: list[Entry],
        answers: list[tuple[int, int]],
    ) -> None:  # fmt: skip
        def done(fault: Exception | None) -> None:
            self.waiting -= len(answers)
            # Given up only when the process stops: without an answer the SMSC sends them again.
            if fault is None:
                connection.respond(answers)

        self._publisher.publish(topic, partition, entries, done, lasting=True)

    def _receipt(self, item: Delivery, now_ms: int) -> tuple[int, MessageState | None, bytes]:
        parsed = parse(item.user_data, dict(item.tlvs) if item.tlvs else {})
        if parsed is None:
            parsed = ParsedReceipt("", None, "", "", "", False)
        digits = item.source.lstrip("+").removeprefix("00")
        index = self._index.of(digits) if digits else b""
        partition = partition_of(index, self._carrier.partitions) if index else self._first_partition
        state = parsed.state
        record = Receipt(
            now_ms,
            self._lane,
            parsed.message_id,
            receipt_keys(parsed.message_id, self._carrier.message_id_form),
            MessageState.UNKNOWN if state is None else state,
            parsed.error,
            done_ms(parsed.done_date, self._zone) if parsed.done_date else 0,
            index,
            check_of(index) if index else 0,
            b"" if parsed.complete else self._sealer.seal_bytes(RAW_OF, item.user_data),
        )
        return partition, state, encode(record)

    def _take_mo(self, connection: EsmeConnection[Any], item: Delivery, now_ms: int) -> None:
        text, _ = decode(
            item.user_data, item.data_coding, self._carrier.default_alphabet, bool(item.esm_class & ESM_UDHI)
        )
        identity = ids.random_ids(now_ms, os.urandom(10))[0]
        sender, number = item.source.lstrip("+"), item.destination.lstrip("+")
        account = self._book().accounts_by_number.get(number, "")
        index = self._index.of_account(account, sender) if account else self._index.of(sender)
        sealed = self._sealer.seal(identity, sender[:255], number[:255], text)
        record = MoMessage(identity, self._carrier.name, self._lane, now_ms, account, sealed, index, number[:32])
        service_index = self._index.of(sender)
        MO_TOTAL.labels(self._carrier.name).inc()
        self._publish(
            connection, self._mo, partition_of(service_index, MO_PARTITIONS), [(service_index, encode(record))],
            [(item.sequence, item.command_id)],
        )  # fmt: skip


def _is_receipt(item: Delivery) -> bool:
    """By esm_class (§5.2.12), or by the TLV that only receipts have: a text that looks like one proves nothing."""
    if item.esm_class & ESM_TYPE_MASK in _RECEIPT_TYPES:
        return True
    return bool(item.tlvs) and any(tag == Tag.RECEIPTED_MESSAGE_ID for tag, _ in item.tlvs)
