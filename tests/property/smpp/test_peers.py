"""Our texts and receipts against two independent stacks, where they agree with the specification.

aiosmpplib 0.7.4 has GSM, UCS-2 and receipt codecs. Where it differs, and what we do instead:
- "`", "ç" and other characters outside GSM: with errors="strict" it raises, we give None; the rest is never compared.
- Decoding: it drops octets that are no septet or refuses them, and shows a no-break space for an escape that nothing
  explains; we give U+FFFD and, by TS 23.038, the basic character or a space. Only valid septets are compared.
- Packing: it leaves 7 spare bits zero, which read as "@"; we put a carriage return there. It knows no fill bits.
- It reads a 16-bit reference as four octets, so only udh8, sar and payload go through its PDU reader.
- It refuses an empty message, which SMPP allows.
smpp34 1.5 has no text codec: it is the judge of our TLVs and of what fits into a submit_sm.
"""

from __future__ import annotations

from datetime import datetime
from struct import pack

import smpp34
from aiosmpplib.codec import GSM7BitCodec, GSM7BitPackedCodec, UCS2Codec
from aiosmpplib.protocol import DeliverSm, SubmitSm
from aiosmpplib.state import PhoneNumber
from hypothesis import given
from hypothesis import strategies as st

from smpp.receipt import date_text, parse, render
from smpp.states import MessageState
from smpp.text import gsm
from smpp.text.modes import Mode
from smpp.text.segments import Encoded, Form, Part, encode

gsm_texts = st.text(st.sampled_from(sorted(gsm.CHARACTERS)), max_size=400)
long_texts = st.builds(
    lambda body, times: body * times, st.text("ab[€é您😀", min_size=1, max_size=40), st.integers(1, 30)
)
texts = st.one_of(gsm_texts, st.text(max_size=300), long_texts)


def _submit_sm(part: Part, data_coding: int) -> bytes:
    """A submit_sm written out by hand (SMPP 3.4 §4.4.1), so that no code of ours is in it but the part."""
    body = b"\0\x05\0Acme\0\x01\x01491700000000\0"
    body += bytes((part.esm_class_bits, 0, 0)) + b"\0\0" + bytes((1, 0, data_coding, 0, len(part.short_message)))
    body += part.short_message + part.tlvs
    return pack(">IIII", 16 + len(body), 4, 0, 1) + body


@given(st.text(max_size=300))
def test_gsm_encodes_as_aiosmpplib_does(text: str) -> None:
    codec = GSM7BitCodec()
    ours = gsm.encode(text)
    assert (ours is not None) == codec.is_gsm_text(text)
    if ours is not None:
        assert ours == codec.encode(text)[0]


@given(gsm_texts)
def test_gsm_decodes_as_aiosmpplib_does(text: str) -> None:
    septets = gsm.encode(text)
    assert septets is not None
    assert gsm.decode(septets) == GSM7BitCodec().decode(septets)[0] == text


@given(gsm_texts)
def test_septets_pack_as_aiosmpplib_packs_them(text: str) -> None:
    septets = gsm.encode(text)
    assert septets is not None
    theirs = GSM7BitPackedCodec().encode(text)[0]
    ours = gsm.pack(septets, limit=len(theirs))
    if len(septets) % 8 == 7:
        theirs = theirs[:-1] + bytes((theirs[-1] | gsm.CARRIAGE_RETURN << 1,))
    assert ours == theirs


@given(texts.filter(bool), st.sampled_from(["udh8", "sar", "payload"]), st.sampled_from([Mode.AUTO, Mode.UCS2]))
def test_aiosmpplib_reads_the_text_out_of_our_parts(text: str, long_message: str, mode: Mode) -> None:
    encoded = encode(text, mode, Form("gsm7", long_message), 0xA7)
    read = []
    for part in encoded.parts:
        pdu = _submit_sm(part, encoded.data_coding)
        message = SubmitSm.from_pdu(pdu, SubmitSm.parse_header(pdu), "gsm0338")
        assert isinstance(message, SubmitSm)
        read.append(message.short_message or message.message_payload)
        if len(encoded.parts) > 1:
            told = {param.tag: param.value for param in message.optional_params}
            assert told == {0x020C: 0xA7, 0x020E: len(encoded.parts), 0x020F: len(read)}
    assert "".join(read) == text
    assert text.encode("utf-16-be") == UCS2Codec().encode(text)[0]


@given(
    texts,
    st.sampled_from(["gsm7", "gsm7-packed", "latin1", "ascii"]),
    st.sampled_from(["udh8", "udh16", "sar", "payload"]),
)
def test_smpp34_finds_our_parts_whole(text: str, alphabet: str, long_message: str) -> None:
    encoded: Encoded = encode(text, Mode.AUTO, Form(alphabet, long_message), 0xA7)
    for part in encoded.parts:
        message = smpp34.decode(_submit_sm(part, encoded.data_coding))
        assert isinstance(message, smpp34.SubmitSm)
        assert message.short_message == part.short_message
        assert (message.esm_class, message.data_coding) == (part.esm_class_bits, encoded.data_coding)
        assert b"".join(pack(">HH", tlv.tag, len(tlv.value)) + tlv.value for tlv in message.tlvs) == part.tlvs


@given(
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=":"), min_size=1, max_size=40),
    st.sampled_from(MessageState),
    st.integers(1_000_000_000, 3_000_000_000),
    st.integers(0, 999),
)
def test_receipts_are_read_as_aiosmpplib_reads_and_writes_them(
    message_id: str, state: MessageState, at_s: int, error: int
) -> None:
    date = date_text(at_s * 1000)
    octets = render(message_id, state, date, date, f"{error:03d}", "Hello")
    peer = DeliverSm(
        short_message=octets.decode("latin-1"), source=PhoneNumber("1"), destination=PhoneNumber("2"), esm_class=4
    ).parse_receipt()
    ours = parse(octets, {})
    assert ours is not None
    assert (ours.message_id, ours.error or "000") == (peer["id"], f"{peer['err']:03d}")
    assert ours.state is not None
    assert ours.state.name == peer["stat"]
    moment = datetime.strptime(date, "%y%m%d%H%M")  # noqa: DTZ007 as the peer reads it: no zone
    assert peer["done date"] == moment
    told = {"id": message_id, "sub": 1, "dlvrd": 1, "submit date": moment, "done date": moment, "err": error}
    assert parse(DeliverSm.encode_receipt(told | {"stat": state.name, "text": "Hello"}), {}) == ours
