"""The fast codec, the tables and two independent stacks write and read the same PDUs.

Where the peers differ, and what is not compared for it:
- aiosmpplib 0.7.4 keeps texts, not octets: short_message is compared in ASCII; TLVs of whole numbers only (of others it
  strips a last NUL, and it refuses what is not ASCII); times are objects, so the fields stay empty; TON and NPI must be in
  its enumerations; it refuses an empty message and 16-bit references are read wrongly, so no UDH.
- smpp34 1.5 gives text fields in UTF-8 and refuses octets above 0x7F in C-octet strings; ours are Latin-1.
- It decodes submit_sm and deliver_sm only: binds and answers are compared with aiosmpplib's.
"""

from __future__ import annotations

from typing import Any

import pytest
import smpp34
from aiosmpplib.protocol import BindReceiver, BindTransceiver, BindTransmitter, DeliverSm, SubmitSm, SubmitSmResp
from aiosmpplib.state import NPI, TON, OptionalParam, PhoneNumber, SmppCommandStatus
from hypothesis import example, given
from hypothesis import strategies as st

from smpp.core.constants import DELIVER_SM, SUBMIT_SM, Command
from smpp.core.errors import PduFault
from smpp.core.pdu import FIELDS, Pdu, decode_body, encode
from smpp.core.session import Session
from smpp.core.sm import Sm, SubmitEncoder, decode_data_sm, decode_delivery, decode_sm, encode_sm, encode_tlvs
from smpp.core.smsc import SmscSession
from tests.property.smpp.core.strategies import c_strings, damaged_bodies, frame, octets, sms, tlvs

NAMES = (
    "service_type", "source_addr_ton", "source_addr_npi", "source_addr", "dest_addr_ton", "dest_addr_npi",
    "destination_addr", "esm_class", "protocol_id", "priority_flag", "schedule_delivery_time", "validity_period",
    "registered_delivery", "replace_if_present_flag", "data_coding", "sm_default_msg_id", "short_message",
)  # fmt: skip


def fields_of(sm: Sm) -> dict[str, Any]:
    return dict(zip(NAMES, sm[:17], strict=True))


@given(sms)
def test_the_fast_codec_and_the_tables_write_the_same(sm: Sm) -> None:
    body = encode_sm(sm)
    for command in (Command.SUBMIT_SM, Command.DELIVER_SM):
        assert encode(Pdu(command, 0, 7, fields_of(sm), sm.tlvs)) == frame(command, 0, 7, body)


@given(sms, st.binary(max_size=20), st.binary(max_size=20))
def test_what_was_written_is_read_by_both_wherever_it_stands(sm: Sm, before: bytes, behind: bytes) -> None:
    body = encode_sm(sm)
    data, start, end = before + body + behind, len(before), len(before) + len(body)
    assert decode_sm(data, start, end) == sm
    assert decode_body(Command.SUBMIT_SM, 0, data, start, end) == (fields_of(sm), sm.tlvs)
    delivery = decode_delivery(data, start, end, 7)
    assert delivery.user_data == sm.payload
    assert delivery == (
        7, DELIVER_SM, sm.source_ton, sm.source, sm.destination, sm.esm_class, sm.data_coding, sm.payload, sm.tlvs,
    )  # fmt: skip


@given(st.one_of(damaged_bodies(), st.binary(max_size=80)), st.binary(max_size=5))
@example(b"\0" * 17, b"")
@example(b"\0" * 16 + b"\1", b"x")
@example(b"WAPxxx" + b"\1\1" + b"9" * 21 + b"\1\1" + b"8" * 21 + b"\0\0\0\0\0\0\0\0\0\0", b"")  # no NULs at the limits
def test_of_damaged_bodies_all_three_say_the_same(body: bytes, behind: bytes) -> None:
    """Refused by one, refused by all with the same reason; or all read the same fields."""
    told: list[Any] = []
    data = body + behind
    for read in (
        lambda: decode_sm(data, 0, len(body)),
        lambda: decode_body(Command.DELIVER_SM, 0, data, 0, len(body)),
        lambda: decode_delivery(data, 0, len(body), 1),
    ):
        try:
            told.append(read())
        except PduFault as fault:
            told.append((fault.kind, fault.status))
    if isinstance(told[0], Sm):
        sm = told[0]
        assert told[1] == (fields_of(sm), sm.tlvs)
        assert told[2][2:] == (
            sm.source_ton, sm.source, sm.destination, sm.esm_class, sm.data_coding, sm.payload, sm.tlvs,
        )  # fmt: skip
    else:
        assert told[0] == told[1] == told[2]


@given(st.binary(max_size=80))
def test_data_sm_is_read_or_refused(body: bytes) -> None:
    try:
        delivery = decode_data_sm(body, 0, len(body), 9)
    except PduFault:
        return
    fields, read = decode_body(Command.DATA_SM, 0, body, 0, len(body))
    assert (delivery.source, delivery.destination) == (fields["source_addr"], fields["destination_addr"])
    assert (delivery.esm_class, delivery.data_coding) == (fields["esm_class"], fields["data_coding"])
    assert delivery.tlvs == read


@given(st.sampled_from(sorted(FIELDS)), st.data())
def test_every_pdu_that_we_have_a_table_for_comes_back_as_it_went(command: Command, data: st.DataObject) -> None:
    fields: dict[str, Any] = {}
    for field in FIELDS[command]:
        if hasattr(field, "limit"):
            fields[field.name] = data.draw(c_strings(field.limit))
        else:
            fields[field.name] = data.draw(st.binary(max_size=255) if field.name == "short_message" else octets)
    optional = data.draw(tlvs)
    status = data.draw(st.sampled_from([0, 0x58, 0x400]))
    written = encode(Pdu(command, status, 0x7FFFFFFF, fields, optional))
    ((got, got_status, sequence, buffer, start, end),) = Session(0, 1, 1, max_pdu_bytes=10**6).frames(written)
    assert (got, got_status, sequence) == (command, status, 0x7FFFFFFF)
    read, read_tlvs = decode_body(command, status, buffer, start, end)
    if start == end and command & 0x80000000:
        fields = {}
    assert (read, read_tlvs) == (fields, optional)


@given(sms.map(lambda sm: sm._replace(schedule="", protocol_id=0, priority=0, replace=0, default_msg_id=0)))
def test_the_encoder_of_a_bind_writes_what_the_message_says(sm: Sm) -> None:
    encoder = SubmitEncoder(sm.service_type, sm.dest_ton, sm.dest_npi)
    for _ in range(2):  # the second time from what it keeps of a sender
        body = encoder.body(
            encoder.head(sm.source_ton, sm.source_npi, sm.source),
            sm.destination.encode("latin-1"),
            sm.esm_class,
            sm.validity.encode("latin-1"),
            sm.registered,
            sm.data_coding,
            sm.short_message,
            encode_tlvs(sm.tlvs),
        )
        assert body == encode_sm(sm)


@pytest.mark.parametrize("field", ["service_type", "source", "destination", "schedule", "validity"])
@given(sm=sms, excess=st.integers(0, 5))
def test_what_a_field_can_t_hold_is_refused_not_cut(field: str, sm: Sm, excess: int) -> None:
    limit = {"service_type": 6, "source": 21, "destination": 21, "schedule": 17, "validity": 17}[field]
    for text in ("x" * (limit + excess), "a\0b", "中"):
        with pytest.raises(ValueError):
            encode_sm(sm._replace(**{field: text}))
    with pytest.raises(ValueError):
        encode_sm(sm._replace(short_message=bytes(255 + excess)))


# ---- the peers

ascii_texts = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
vendor_tlvs = st.lists(st.tuples(st.integers(0x1400, 0x3FFF), st.binary(max_size=40)), max_size=4).map(tuple)
ascii_sms = st.builds(
    Sm,
    ascii_texts.map(lambda text: text[:5]), octets, octets, ascii_texts, octets, octets, ascii_texts,
    octets, octets, octets, st.just(""), st.just(""), octets, octets, octets, octets, st.binary(max_size=254), vendor_tlvs,
)  # fmt: skip


@given(
    ascii_sms,
    st.sampled_from([(SUBMIT_SM, smpp34.SubmitSm), (DELIVER_SM, smpp34.DeliverSm)]),
    st.integers(1, 2**31 - 1),
)
def test_smpp34_reads_and_writes_the_same(sm: Sm, kind: tuple[int, type], sequence: int) -> None:
    command, cls = kind
    ours = frame(command, 0, sequence, encode_sm(sm))
    theirs = smpp34.decode(ours)
    assert isinstance(theirs, cls)
    told: Any = theirs
    assert {name: getattr(told, name) for name in NAMES} == fields_of(sm)
    assert tuple((tlv.tag, tlv.value) for tlv in told.tlvs) == sm.tlvs
    assert told.sequence_number == sequence
    assert told.encode() == ours


@st.composite
def aiosmpplib_sms(draw: st.DrawFn) -> Sm:
    text = draw(
        st.text(
            st.sampled_from("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,!?"),
            min_size=1,
            max_size=160,
        )
    )
    plans = st.sampled_from([int(npi) for npi in NPI])
    kinds = st.sampled_from([int(ton) for ton in TON])
    options = draw(st.lists(st.tuples(st.sampled_from([0x0204, 0x020A, 0x020B]), st.integers(0, 0xFFFF)), max_size=3))
    return Sm(
        draw(ascii_texts)[:5], draw(kinds), draw(plans), draw(ascii_texts), draw(kinds), draw(plans), draw(ascii_texts),
        draw(octets) & ~0x40, draw(octets), draw(octets), "", "", draw(octets), draw(octets), 0, draw(octets),
        text.encode(), tuple((tag, value.to_bytes(2, "big")) for tag, value in options),
    )  # fmt: skip


@given(aiosmpplib_sms(), st.sampled_from([(SUBMIT_SM, SubmitSm), (DELIVER_SM, DeliverSm)]))
def test_aiosmpplib_reads_and_writes_the_same(sm: Sm, kind: tuple[int, Any]) -> None:
    command, cls = kind
    ours = frame(command, 0, 3, encode_sm(sm))
    theirs = cls.from_pdu(ours, cls.parse_header(ours), "gsm0338")
    assert (theirs.service_type, theirs.short_message) == (sm.service_type, sm.short_message.decode())
    assert (theirs.source.ton, theirs.source.npi, theirs.source.number) == (sm.source_ton, sm.source_npi, sm.source)
    assert (theirs.destination.ton, theirs.destination.number) == (sm.dest_ton, sm.destination)
    assert (theirs.esm_class, theirs.protocol_id, theirs.priority_flag) == (sm.esm_class, sm.protocol_id, sm.priority)
    assert (theirs.registered_delivery, theirs.replace_if_present_flag) == (sm.registered, sm.replace)
    assert [(one.tag, one.value) for one in theirs.optional_params] == [
        (tag, int.from_bytes(value, "big")) for tag, value in sm.tlvs
    ]
    written = cls(
        sequence_num=3,
        short_message=sm.short_message.decode(),
        source=PhoneNumber(sm.source, TON(sm.source_ton), NPI(sm.source_npi)),
        destination=PhoneNumber(sm.destination, TON(sm.dest_ton), NPI(sm.dest_npi)),
        service_type=sm.service_type,
        esm_class=sm.esm_class,
        protocol_id=sm.protocol_id,
        priority_flag=sm.priority,
        registered_delivery=sm.registered,
        replace_if_present_flag=sm.replace,
        sm_default_msg_id=sm.default_msg_id,
        optional_params=[OptionalParam(tag, int.from_bytes(value, "big")) for tag, value in sm.tlvs],
    ).pdu()
    assert decode_sm(written, 16, len(written)) == sm


@given(
    ascii_texts.map(lambda text: text[:15]),
    ascii_texts.map(lambda text: text[:8]),
    ascii_texts.map(lambda text: text[:12]),
    st.sampled_from(
        [
            (Command.BIND_TRANSCEIVER, BindTransceiver),
            (Command.BIND_TRANSMITTER, BindTransmitter),
            (Command.BIND_RECEIVER, BindReceiver),
        ]
    ),
)
def test_binds_are_aiosmpplib_s(system_id: str, password: str, system_type: str, kind: tuple[Command, Any]) -> None:
    command, cls = kind
    fields: dict[str, Any] = {
        "system_id": system_id, "password": password, "system_type": system_type, "interface_version": 0x34,
    }  # fmt: skip
    ours = encode(Pdu(command, 0, 1, fields))
    theirs = cls(sequence_num=1, system_id=system_id, password=password, system_type=system_type)
    assert theirs.pdu() == ours
    read = cls.from_pdu(ours, cls.parse_header(ours))
    assert (read.system_id, read.password, read.system_type) == (system_id, password, system_type)


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=64), st.integers(1, 2**31 - 1))
def test_answers_to_submits_are_aiosmpplib_s(message_id: str, sequence: int) -> None:
    ours = SmscSession.answer([(sequence, 0, message_id.encode())])
    assert (
        SubmitSmResp(sequence_num=sequence, command_status=SmppCommandStatus.ESME_ROK, message_id=message_id).pdu()
        == ours
    )
