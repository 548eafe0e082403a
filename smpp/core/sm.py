"""The body that submit_sm and deliver_sm share (§4.4.1, §4.6.1), encoded and decoded by hand: the hot path.

`smpp.core.pdu` decodes the same from its tables; a property test holds the two together.
"""

from __future__ import annotations

import re
from struct import Struct
from typing import Final, NamedTuple

from smpp.core.constants import DATA_SM, DELIVER_SM, CommandStatus, Tag
from smpp.core.errors import PduFault

Tlvs = tuple[tuple[int, bytes], ...]
_TLV: Final = Struct(">HH")
NO_TLVS: Final[Tlvs] = ()
_new: Final = tuple.__new__  # a NamedTuple's own constructor takes twice as long


class Sm(NamedTuple):
    """A short message as it stands in a PDU. Addresses are text in Latin-1; TLVs keep their order and repeats."""

    service_type: str
    source_ton: int
    source_npi: int
    source: str
    dest_ton: int
    dest_npi: int
    destination: str
    esm_class: int
    protocol_id: int
    priority: int
    schedule: str
    validity: str
    registered: int
    replace: int
    data_coding: int
    default_msg_id: int
    short_message: bytes
    tlvs: Tlvs = NO_TLVS

    def tlv(self, tag: int) -> bytes | None:
        """The first value of a tag."""
        return _first(self.tlvs, tag)

    @property
    def payload(self) -> bytes:
        """The user data: message_payload where it is used, else short_message."""
        if self.short_message or not self.tlvs:
            return self.short_message
        return self.tlv(Tag.MESSAGE_PAYLOAD) or b""


# The head of the body up to sm_length, with the sizes of §4.4.1 (one less: the NUL); one C call instead of a dozen.
_HEAD: Final = re.compile(
    rb"([^\0]{0,5})\0(..)([^\0]{0,20})\0(..)([^\0]{0,20})\0(...)([^\0]{0,16})\0([^\0]{0,16})\0(.{5})", re.DOTALL
).match
_LEAN_HEAD: Final = re.compile(
    rb"[^\0]{0,5}\0(.).([^\0]{0,20})\0..([^\0]{0,20})\0(.)..[^\0]{0,16}\0[^\0]{0,16}\0..(.).(.)", re.DOTALL
).match


class Delivery(NamedTuple):
    """What a client needs of a deliver_sm or data_sm. `sequence` and `command_id` are for the response."""

    sequence: int
    command_id: int
    source_ton: int
    source: str
    destination: str
    esm_class: int
    data_coding: int
    user_data: bytes
    tlvs: Tlvs


def decode_sm(data: bytes, start: int, end: int) -> Sm:
    """The mandatory fields and TLVs in data[start:end]. Raises PduFault on anything that disagrees with its lengths."""
    found = _HEAD(data, start, end)
    if found is None:
        return _decode_odd_sm(data, start, end)
    service, (source_ton, source_npi), source, (dest_ton, dest_npi), destination, flags, schedule, validity, tail = (
        found.groups()
    )
    at = found.end()
    stop = at + tail[4]
    if stop > end:
        raise PduFault("sm_length", CommandStatus.ESME_RINVMSGLEN, f"sm_length {tail[4]} exceeds the PDU")
    return _new(
        Sm,
        (
            service.decode("latin-1"), source_ton, source_npi, source.decode("latin-1"),
            dest_ton, dest_npi, destination.decode("latin-1"), *flags,
            schedule.decode("latin-1") if schedule else "", validity.decode("latin-1") if validity else "",
            *tail[:4], data[at:stop], decode_tlvs(data, stop, end) if stop < end else NO_TLVS,
        ),
    )  # fmt: skip


def decode_delivery(data: bytes, start: int, end: int, sequence: int) -> Delivery:
    """A deliver_sm for a client. Raises PduFault as `decode_sm`."""
    found = _LEAN_HEAD(data, start, end)
    if found is None:
        sm = _decode_odd_sm(data, start, end)
        return Delivery(
            sequence,
            DELIVER_SM,
            sm.source_ton,
            sm.source,
            sm.destination,
            sm.esm_class,
            sm.data_coding,
            sm.payload,
            sm.tlvs,
        )
    ton, source, destination, esm_class, data_coding, length = found.groups()
    at = found.end()
    stop = at + length[0]
    if stop > end:
        raise PduFault("sm_length", CommandStatus.ESME_RINVMSGLEN, f"sm_length {length[0]} exceeds the PDU")
    user_data = data[at:stop]
    tlvs = NO_TLVS
    if stop < end:
        tlvs = decode_tlvs(data, stop, end)
        user_data = user_data or _first(tlvs, Tag.MESSAGE_PAYLOAD) or b""
    return _new(
        Delivery,
        (
            sequence, DELIVER_SM, ton[0], source.decode("latin-1"), destination.decode("latin-1"),
            esm_class[0], data_coding[0], user_data, tlvs,
        ),
    )  # fmt: skip


def decode_data_sm(data: bytes, start: int, end: int, sequence: int) -> Delivery:
    """A data_sm (§4.7.1) as a client meets it: the user data is in message_payload. Raises PduFault."""
    reader = FieldReader(data, start, end)
    reader.c_octets(6)
    ton, _ = reader.octet(), reader.octet()
    source = reader.c_octets(65)
    reader.octet(), reader.octet()
    destination = reader.c_octets(65)
    esm_class, _, data_coding = reader.octet(), reader.octet(), reader.octet()
    tlvs = decode_tlvs(data, reader.at, end)
    return Delivery(
        sequence,
        DATA_SM,
        ton,
        source,
        destination,
        esm_class,
        data_coding,
        _first(tlvs, Tag.MESSAGE_PAYLOAD) or b"",
        tlvs,
    )


def _first(tlvs: Tlvs, tag: int) -> bytes | None:
    for found, value in tlvs:
        if found == tag:
            return value
    return None


class FieldReader:
    """Reads fields one by one, leniently: a C-octet string may fill its field without a NUL (§3.1 forbids it, SMSCs do it)."""

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self.data = data
        self.at = start
        self._end = end

    def octet(self) -> int:
        if self.at >= self._end:
            raise PduFault("truncated_body", CommandStatus.ESME_RINVCMDLEN, "the mandatory fields do not fit the PDU")
        self.at += 1
        return self.data[self.at - 1]

    def c_octets(self, limit: int) -> str:
        stop = min(self.at + limit, self._end)
        nul = self.data.find(0, self.at, stop)
        if nul < 0 and stop - self.at < limit:
            raise PduFault("truncated_body", CommandStatus.ESME_RINVCMDLEN, "a C-octet string has no end")
        text = self.data[self.at : stop if nul < 0 else nul].decode("latin-1")
        self.at = stop if nul < 0 else nul + 1
        return text


def _decode_odd_sm(data: bytes, start: int, end: int) -> Sm:
    reader = FieldReader(data, start, end)
    octet, text = reader.octet, reader.c_octets
    head = (
        text(6),
        octet(),
        octet(),
        text(21),
        octet(),
        octet(),
        text(21),
        octet(),
        octet(),
        octet(),
        text(17),
        text(17),
    )
    tail = (octet(), octet(), octet(), octet())
    length = octet()
    stop = reader.at + length
    if stop > end:
        raise PduFault("sm_length", CommandStatus.ESME_RINVMSGLEN, f"sm_length {length} exceeds the PDU")
    return Sm(*head, *tail, data[reader.at : stop], decode_tlvs(data, stop, end))


def decode_tlvs(data: bytes, start: int, end: int) -> Tlvs:
    """TLVs in order, unknown ones and repeats included. Raises PduFault when one exceeds the PDU."""
    tlvs = []
    while start < end:
        if end - start < 4:
            raise PduFault(
                "tlv_truncated", CommandStatus.ESME_RINVOPTPARSTREAM, f"{end - start} stray bytes after the TLVs"
            )
        tag, length = _TLV.unpack_from(data, start)
        start += 4
        if start + length > end:
            raise PduFault(
                "tlv_length", CommandStatus.ESME_RINVPARLEN, f"TLV 0x{tag:04X} says {length} bytes, too many"
            )
        tlvs.append((tag, data[start : start + length]))
        start += length
    return tuple(tlvs)


def encode_tlvs(tlvs: Tlvs) -> bytes:
    return b"".join(_TLV.pack(tag, len(value)) + value for tag, value in tlvs)


def encode_sm(sm: Sm) -> bytes:
    """The body of a submit_sm or deliver_sm. Raises ValueError for what the fields can't hold."""
    if len(sm.short_message) > 254:
        raise ValueError("short_message holds at most 254 bytes: use message_payload")
    return b"".join(
        (
            c_octets(sm.service_type, 6),
            bytes((sm.source_ton, sm.source_npi)),
            c_octets(sm.source, 21),
            bytes((sm.dest_ton, sm.dest_npi)),
            c_octets(sm.destination, 21),
            bytes((sm.esm_class, sm.protocol_id, sm.priority)),
            c_octets(sm.schedule, 17),
            c_octets(sm.validity, 17),
            bytes((sm.registered, sm.replace, sm.data_coding, sm.default_msg_id, len(sm.short_message))),
            sm.short_message,
            encode_tlvs(sm.tlvs),
        )
    )


def c_octets(text: str, limit: int) -> bytes:
    """A C-octet string with its NUL, at most `limit` bytes. Raises ValueError."""
    data = text.encode("latin-1")
    if len(data) >= limit or b"\0" in data:
        raise ValueError(f"{text!r} does not fit a field of {limit} bytes")
    return data + b"\0"


class SubmitEncoder:
    """Bodies of submit_sm for one bind: what does not change from message to message is encoded once.

    `destination_ton`/`npi`, `service_type` as the carrier wants them.
    """

    _MOST_SENDERS: Final = 10_000

    def __init__(self, service_type: str, dest_ton: int, dest_npi: int) -> None:
        self._service = c_octets(service_type, 6)
        self._plan = bytes((dest_ton, dest_npi))
        self._heads: dict[tuple[int, int, str], bytes] = {}

    def head(self, ton: int, npi: int, source: str) -> bytes:
        """The fields before destination_addr, kept for each sender. Raises ValueError when the sender does not fit."""
        key = (ton, npi, source)
        head = self._heads.get(key)
        if head is None:
            if len(self._heads) >= self._MOST_SENDERS:
                self._heads.clear()
            head = self._heads[key] = self._service + bytes((ton, npi)) + c_octets(source, 21) + self._plan
        return head

    @staticmethod
    def body(
        head: bytes, destination: bytes, esm_class: int, validity: bytes, registered: int, data_coding: int,
        short_message: bytes, tlvs: bytes = b"",
    ) -> bytes:  # fmt: skip
        """One body; `destination` and `validity` without their NUL, short_message of at most 254 bytes."""
        return b"%b%b\0%b\0%b\0%b%b%b" % (
            head, destination, _ESM[esm_class], validity, _TAIL_FLAGS(registered, 0, data_coding, 0, len(short_message)),
            short_message, tlvs,
        )  # fmt: skip


_ESM: Final = [bytes((esm_class, 0, 0)) for esm_class in range(256)]
_TAIL_FLAGS: Final = Struct("5B").pack
