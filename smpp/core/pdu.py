"""Every PDU as a table of its mandatory fields (§4), with one encoder and one decoder for all of them.

The clear path: binds, links, queries and whatever is rare go through it, and it tests the fast one of `smpp.core.sm`.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from smpp.core.constants import Command, CommandStatus
from smpp.core.errors import PduFault
from smpp.core.sm import NO_TLVS, FieldReader, Tlvs, c_octets, decode_tlvs, encode_tlvs

HEADER: Final = Struct(">IIII")
Value = str | int | bytes


class CString(NamedTuple):
    """A C-octet string of at most `limit` bytes with its NUL."""

    name: str
    limit: int


class Octet(NamedTuple):
    """An integer of one byte."""

    name: str


class Octets(NamedTuple):
    """Bytes whose number stands in one byte before them."""

    name: str


Field = CString | Octet | Octets

_BIND: Final[tuple[Field, ...]] = (
    CString("system_id", 16),
    CString("password", 9),
    CString("system_type", 13),
    Octet("interface_version"),
    Octet("addr_ton"),
    Octet("addr_npi"),
    CString("address_range", 41),
)
_SYSTEM_ID: Final[tuple[Field, ...]] = (CString("system_id", 16),)
_MESSAGE_ID: Final[tuple[Field, ...]] = (CString("message_id", 65),)
_SM: Final[tuple[Field, ...]] = (
    CString("service_type", 6),
    Octet("source_addr_ton"),
    Octet("source_addr_npi"),
    CString("source_addr", 21),
    Octet("dest_addr_ton"),
    Octet("dest_addr_npi"),
    CString("destination_addr", 21),
    Octet("esm_class"),
    Octet("protocol_id"),
    Octet("priority_flag"),
    CString("schedule_delivery_time", 17),
    CString("validity_period", 17),
    Octet("registered_delivery"),
    Octet("replace_if_present_flag"),
    Octet("data_coding"),
    Octet("sm_default_msg_id"),
    Octets("short_message"),
)
_DATA_SM: Final[tuple[Field, ...]] = (
    CString("service_type", 6),
    Octet("source_addr_ton"),
    Octet("source_addr_npi"),
    CString("source_addr", 65),
    Octet("dest_addr_ton"),
    Octet("dest_addr_npi"),
    CString("destination_addr", 65),
    Octet("esm_class"),
    Octet("registered_delivery"),
    Octet("data_coding"),
)

FIELDS: Final[dict[Command, tuple[Field, ...]]] = {
    Command.GENERIC_NACK: (),
    Command.BIND_RECEIVER: _BIND,
    Command.BIND_RECEIVER_RESP: _SYSTEM_ID,
    Command.BIND_TRANSMITTER: _BIND,
    Command.BIND_TRANSMITTER_RESP: _SYSTEM_ID,
    Command.BIND_TRANSCEIVER: _BIND,
    Command.BIND_TRANSCEIVER_RESP: _SYSTEM_ID,
    Command.OUTBIND: (CString("system_id", 16), CString("password", 9)),
    Command.UNBIND: (),
    Command.UNBIND_RESP: (),
    Command.ENQUIRE_LINK: (),
    Command.ENQUIRE_LINK_RESP: (),
    Command.SUBMIT_SM: _SM,
    Command.SUBMIT_SM_RESP: _MESSAGE_ID,
    Command.DELIVER_SM: _SM,
    Command.DELIVER_SM_RESP: _MESSAGE_ID,
    Command.DATA_SM: _DATA_SM,
    Command.DATA_SM_RESP: _MESSAGE_ID,
    Command.QUERY_SM: (
        CString("message_id", 65),
        Octet("source_addr_ton"),
        Octet("source_addr_npi"),
        CString("source_addr", 21),
    ),
    Command.QUERY_SM_RESP: (
        CString("message_id", 65),
        CString("final_date", 17),
        Octet("message_state"),
        Octet("error_code"),
    ),
    Command.CANCEL_SM: (
        CString("service_type", 6),
        CString("message_id", 65),
        Octet("source_addr_ton"),
        Octet("source_addr_npi"),
        CString("source_addr", 21),
        Octet("dest_addr_ton"),
        Octet("dest_addr_npi"),
        CString("destination_addr", 21),
    ),
    Command.CANCEL_SM_RESP: (),
    Command.REPLACE_SM_RESP: (),
    Command.ALERT_NOTIFICATION: (
        Octet("source_addr_ton"),
        Octet("source_addr_npi"),
        CString("source_addr", 65),
        Octet("esme_addr_ton"),
        Octet("esme_addr_npi"),
        CString("esme_addr", 65),
    ),
}


class Pdu(NamedTuple):
    """One PDU in the clear form: fields by their names in the specification."""

    command: Command
    status: int
    sequence: int
    fields: dict[str, Value]
    tlvs: Tlvs = NO_TLVS


def encode(pdu: Pdu) -> bytes:
    """The bytes of a PDU; a field that is not given is empty or 0. Raises ValueError for what a field can't hold."""
    parts = []
    for field in FIELDS[pdu.command]:
        value = pdu.fields.get(field.name)
        if isinstance(field, CString):
            parts.append(c_octets(str(value or ""), field.limit))
        elif isinstance(field, Octet):
            parts.append(bytes((int(value or 0),)))
        else:
            data = value if isinstance(value, bytes) else b""
            parts.append(bytes((len(data),)) + data)
    body = b"".join(parts) + encode_tlvs(pdu.tlvs)
    return HEADER.pack(HEADER.size + len(body), pdu.command, pdu.status, pdu.sequence) + body


def header_only(command: int, sequence: int, status: int = 0) -> bytes:
    """A PDU without a body: links, unbinds, generic_nack."""
    return HEADER.pack(16, command, status, sequence)


def decode_body(command: Command, status: int, data: bytes, start: int, end: int) -> tuple[dict[str, Value], Tlvs]:
    """Mandatory fields and TLVs of a body. A response with an error may leave the body out (§3.2). Raises PduFault."""
    if start == end and command & 0x80000000:
        return {}, NO_TLVS
    reader = FieldReader(data, start, end)
    fields: dict[str, Value] = {}
    for field in FIELDS[command]:
        if isinstance(field, CString):
            fields[field.name] = reader.c_octets(field.limit)
        elif isinstance(field, Octet):
            fields[field.name] = reader.octet()
        else:
            length = reader.octet()
            if reader.at + length > end:
                raise PduFault("sm_length", CommandStatus.ESME_RINVMSGLEN, f"sm_length {length} exceeds the PDU")
            fields[field.name] = data[reader.at : reader.at + length]
            reader.at += length
    try:
        return fields, decode_tlvs(data, reader.at, end)
    except PduFault:
        # Some SMSCs pad an error response; what matters of a response is its status.
        if command & 0x80000000 and status:
            return fields, NO_TLVS
        raise


def known_command(number: int) -> Command | None:
    """The command of a number that we have a table for."""
    return _KNOWN.get(number)


_KNOWN: Final = {int(command): command for command in FIELDS}
