"""The hot path of the server's end: a lean submit_sm, and a session that reads and writes many PDUs at once.

`smpp.core.smsc` decodes every field into text. Here addresses stay the bytes they are on the wire (TON, NPI, address,
NUL): a receipt carries them back as they came, and nothing else looks at them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from smpp.core.constants import (
    DATA_SM_RESP,
    DELIVER_SM_RESP,
    ESM_UDHI,
    MAX_SEQUENCE,
    SUBMIT_SM,
    SUBMIT_SM_RESP,
    CommandStatus,
    Tag,
)
from smpp.core.errors import ConnectionFault, PduFault
from smpp.core.pdu import HEADER
from smpp.core.session import Note, State, Step
from smpp.core.sm import NO_TLVS, Tlvs, decode_sm, decode_tlvs
from smpp.core.smsc import SmscReceived, SmscSession

if TYPE_CHECKING:
    from simulator.account import Account
    from simulator.connection import Connection

_PACK: Final = HEADER.pack
_new: Final = tuple.__new__  # a NamedTuple's own constructor takes twice as long
_HEAD: Final = re.compile(
    rb"[^\0]{0,5}\0(..[^\0]{0,20}\0)(..[^\0]{0,20}\0)(.)..[^\0]{0,16}\0([^\0]{0,16})\0(.).(.).(.)", re.DOTALL
).match
# What tells the parts of a long message apart; other TLVs may differ between two attempts at one message.
_IDENTIFYING: Final = frozenset(
    (Tag.MESSAGE_PAYLOAD, Tag.SAR_MSG_REF_NUM, Tag.SAR_SEGMENT_SEQNUM, Tag.SAR_TOTAL_SEGMENTS)
)


class Submit(NamedTuple):
    """A submit_sm as the simulator needs it. `source` and `destination` are TON, NPI, address and NUL."""

    source: bytes
    destination: bytes
    esm_class: int
    validity: bytes
    registered: int
    data_coding: int
    short_message: bytes
    tlvs: Tlvs

    @property
    def number(self) -> str:
        """destination_addr as text."""
        return self.destination[2:-1].decode("latin-1")

    @property
    def user_data(self) -> bytes:
        """message_payload where it is used, else short_message; with its UDH."""
        return self.short_message or next((value for tag, value in self.tlvs if tag == Tag.MESSAGE_PAYLOAD), b"")

    @property
    def text(self) -> str:
        """What a person would read: UDH left out, UCS-2 decoded, everything else taken for Latin-1."""
        data = self.user_data
        if self.esm_class & ESM_UDHI and data:
            data = data[1 + data[0] :]
        return data.decode("utf-16-be", "replace") if self.data_coding == 8 else data.decode("latin-1")

    @property
    def identity(self) -> int:
        """64 bits that two submits share when they are the same segment of the same message, over any account."""
        tlvs = self.tlvs and tuple(tlv for tlv in self.tlvs if tlv[0] in _IDENTIFYING)
        return hash((self.source, self.destination, self.esm_class, self.short_message, tlvs))

    @property
    def segments(self) -> int:
        """How many segments of the contract rate it costs: one, but for a long message_payload."""
        size = 0 if self.short_message else len(self.user_data)
        most, each = (140, 134) if self.data_coding == 8 else (160, 153)
        return 1 if size <= most else -(-size // each)

    def part(self) -> tuple[int, int]:
        """(number, total) of a segment, by UDH (3GPP TS 23.040 §9.2.3.24.1 and .8) or SAR TLVs; (1, 1) when whole."""
        if self.esm_class & ESM_UDHI:
            return _part_of_udh(self.user_data)
        sar = {tag: value[-1] for tag, value in self.tlvs if value}
        return sar.get(Tag.SAR_SEGMENT_SEQNUM, 1), sar.get(Tag.SAR_TOTAL_SEGMENTS, 1)


def _part_of_udh(data: bytes) -> tuple[int, int]:
    at, end = 1, 1 + (data[0] if data else 0)
    while at + 2 <= min(end, len(data)):
        element, length = data[at], data[at + 1]
        value = data[at + 2 : at + 2 + length]
        if (element, len(value)) in ((0x00, 3), (0x08, 4)):
            return value[-1], value[-2]
        at += 2 + length
    return 1, 1


def decode_submit(data: bytes, start: int, end: int) -> Submit:
    """The submit_sm body in data[start:end]. Raises PduFault on anything that disagrees with its lengths."""
    found = _HEAD(data, start, end)
    if found is None:
        return _decode_odd(data, start, end)
    source, destination, esm_class, validity, registered, data_coding, length = found.groups()
    at = found.end()
    stop = at + length[0]
    if stop > end:
        raise PduFault("sm_length", CommandStatus.ESME_RINVMSGLEN, f"sm_length {length[0]} exceeds the PDU")
    tlvs = decode_tlvs(data, stop, end) if stop < end else NO_TLVS
    fields = (source, destination, esm_class[0], validity, registered[0], data_coding[0], data[at:stop], tlvs)
    return _new(Submit, fields)


def _decode_odd(data: bytes, start: int, end: int) -> Submit:
    sm = decode_sm(data, start, end)
    source = bytes((sm.source_ton, sm.source_npi)) + sm.source.encode("latin-1") + b"\0"
    destination = bytes((sm.dest_ton, sm.dest_npi)) + sm.destination.encode("latin-1") + b"\0"
    validity = sm.validity.encode("latin-1")
    return Submit(source, destination, sm.esm_class, validity, sm.registered, sm.data_coding, sm.short_message, sm.tlvs)


def submit_responses(data: bytes) -> list[int]:
    """Sequence numbers of the submit_sm_resp in whole PDUs of our own making."""
    found, at = [], 0
    while at + HEADER.size <= len(data):
        length, command, _, sequence = HEADER.unpack_from(data, at)
        if command == SUBMIT_SM_RESP:
            found.append(sequence)
        at += length
    return found


class Label(NamedTuple):
    """What the journal tells of a receipt. `destination` is the message's, as the client wrote it."""

    identity: str
    destination: str
    state: str


class Delivery(NamedTuple):
    """A deliver_sm or data_sm on its way. `origin` is the bind that submitted, or the account when there is none;
    `kind` is receipt, flood (a receipt for nothing that was submitted) or mo."""

    body: bytes
    origin: Connection | Account
    label: Label | None
    command: int
    kind: str = "receipt"
    again: bool = False


class SimulatorSession(SmscSession[Delivery]):
    """One connection of an ESME, digesting reads as wholes."""

    def digest(self, data: bytes, now: float) -> tuple[list[tuple[int, Submit]], SmscReceived[Delivery]]:
        """As `receive`, with lean submits beside it; those inside the second value stay empty."""
        got: SmscReceived[Delivery] = SmscReceived([], [], [], [], b"", None)
        submits: list[tuple[int, Submit]] = []
        output: list[bytes] = []
        acknowledged, waiting, fault = got.acknowledged, self._unacknowledged, None
        self.heard(now)
        try:
            for command, status, sequence, buffer, start, end in self.frames(data):
                if command == SUBMIT_SM and self.state is State.BOUND:
                    try:
                        submits.append((sequence, decode_submit(buffer, start, end)))
                    except PduFault as refused:
                        got.notes.append(Note(refused.kind, refused.status, refused.detail))
                        output.append(_PACK(16, SUBMIT_SM_RESP, refused.status, sequence))
                elif command in (DELIVER_SM_RESP, DATA_SM_RESP):
                    delivery = waiting.pop(sequence, None)
                    if delivery is None:
                        got.notes.append(Note("unexpected_response", status))
                    else:
                        acknowledged.append((delivery, status))
                else:
                    output.append(self._other(command, status, sequence, buffer, start, end, got))
        except ConnectionFault as broken:
            fault = broken
            self.move(Step.FAULT)
        return submits, got._replace(output=b"".join(output), fault=fault)

    def send(self, batch: Iterable[Delivery]) -> bytes:
        """The PDUs of deliveries; each comes back from `digest` when the ESME responds."""
        waiting, sequence = self._unacknowledged, self._last_sequence
        chunks: list[bytes] = []
        for delivery in batch:
            sequence = sequence + 1 if sequence < MAX_SEQUENCE else 1
            if sequence in waiting:
                sequence = self.next_sequence(waiting)
            waiting[sequence] = delivery
            body = delivery[0]
            chunks += (_PACK(16 + len(body), delivery[3], 0, sequence), body)
        self._last_sequence = sequence
        return b"".join(chunks)

    def ask_link(self, now: float, after_s: float) -> bytes:
        """enquire_link after `after_s` of silence (0: never). Raises ConnectionFault when the last one had no answer."""
        self._link_s = after_s or math.inf
        return self.check_link(now, self._unacknowledged)

    def unanswered_since(self, before: set[int]) -> list[Delivery]:
        """Takes back the deliveries of `before` that are still unanswered, and makes `before` what is unanswered now."""
        waiting = self._unacknowledged
        stale = [waiting.pop(sequence) for sequence in sorted(before & waiting.keys())]
        before.clear()
        before.update(waiting)
        return stale
