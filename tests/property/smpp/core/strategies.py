"""Messages, PDUs and their bytes: fields that fit, fields as a peer might damage them."""

from __future__ import annotations

import itertools

from hypothesis import strategies as st

from smpp.core.constants import Command
from smpp.core.pdu import HEADER, Pdu, encode, known_command
from smpp.core.sm import Sm, encode_sm

octets = st.integers(0, 255)
sequences = st.one_of(st.integers(1, 5), st.integers(1, 0x7FFFFFFF), st.integers(0, 0xFFFFFFFF))
statuses = st.one_of(st.just(0), st.integers(1, 0xFF), st.integers(0x400, 0x4FF), st.integers(0, 0xFFFFFFFF))


def c_strings(limit: int) -> st.SearchStrategy[str]:
    """Latin-1 without NUL, at most `limit` octets with it; often at the very limit."""
    characters = st.characters(min_codepoint=1, max_codepoint=255)
    return st.one_of(
        st.just(""),
        st.text(characters, max_size=limit - 1),
        st.text(characters, min_size=limit - 1, max_size=limit - 1),
    )


tags = st.one_of(
    st.sampled_from([0x001E, 0x0423, 0x0424, 0x0427, 0x020C]), st.integers(0x1400, 0x3FFF), st.integers(0, 0xFFFF)
)
tlvs = st.lists(st.tuples(tags, st.binary(max_size=40)), max_size=5).map(tuple)
sms = st.builds(
    Sm,
    c_strings(6), octets, octets, c_strings(21), octets, octets, c_strings(21), octets, octets, octets,
    c_strings(17), c_strings(17), octets, octets, octets, octets, st.binary(max_size=254), tlvs,
)  # fmt: skip


def frame(command: int, status: int, sequence: int, body: bytes) -> bytes:
    return HEADER.pack(16 + len(body), command, status, sequence) + body


@st.composite
def damaged_bodies(draw: st.DrawFn) -> bytes:
    """The body of a message with octets changed, cut off, put in or behind."""
    body = bytearray(encode_sm(draw(sms)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(body)))
        kind = draw(st.sampled_from(["change", "cut", "insert", "append", "unterminate"]))
        if kind == "change" and at < len(body):
            body[at] = draw(octets)
        elif kind == "cut":
            del body[at:]
        elif kind == "insert":
            body[at:at] = draw(st.binary(max_size=8))
        elif kind == "unterminate" and 0 in body:
            body[body.index(0)] = 0x41
        else:
            body += draw(st.binary(max_size=8))
    return bytes(body)


bodies = st.one_of(st.binary(max_size=60), damaged_bodies())
commands = st.one_of(
    st.sampled_from([int(command) for command in Command if known_command(command)]),
    st.sampled_from([0, 0x7FFFFFFF, 0x00010203, 0x80010203, 0x0000000A]),
    st.integers(0, 0xFFFFFFFF),
)
plain_frames = st.builds(frame, commands, statuses, sequences, bodies)
headers_only = st.builds(frame, commands, statuses, sequences, st.just(b""))
sm_frames = st.builds(frame, st.sampled_from([4, 5]), st.just(0), sequences, sms.map(encode_sm))
bind_responses = st.builds(
    lambda command, status, system_id, extra: frame(command, status, 1, system_id + extra),
    st.sampled_from([0x80000001, 0x80000002, 0x80000009]),
    st.sampled_from([0, 0, 0, 5, 0xE]),
    st.sampled_from([b"smsc\0", b"", b"smsc", b"x" * 40]),
    st.sampled_from([b"", b"\x02\x10\x00\x01\x34", b"\x02\x10\x00"]),
)
binds = st.builds(
    lambda command, sequence: encode(
        Pdu(command, 0, sequence, {"system_id": "a", "password": "b", "interface_version": 0x34})
    ),
    st.sampled_from([Command.BIND_TRANSCEIVER, Command.BIND_TRANSMITTER, Command.BIND_RECEIVER]),
    st.integers(1, 5),
)
frames = st.one_of(plain_frames, headers_only, sm_frames, bind_responses, binds)
garbage = st.binary(max_size=40)
streams = st.lists(st.one_of(frames, frames, frames, garbage), max_size=12).map(b"".join)
"""What a peer may send: mostly PDUs, some bytes that are none."""


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    """The stream, cut at these places (taken modulo its length)."""
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[start:end] for start, end in itertools.pairwise(places)]
