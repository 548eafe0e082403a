"""PDUs as a peer sends them, written without our codec where that is what is tested."""

from __future__ import annotations

from struct import pack, unpack_from

from smpp.core.esme import BindParams, EsmeSession
from smpp.core.session import Session

PARAMS = BindParams("alpha", "secret", "SMPP", enquire_link_s=30, bind_timeout_s=10, submit_timeout_s=60)
START = 1000.0


def frame(command: int, sequence: int, body: bytes = b"", status: int = 0) -> bytes:
    return pack(">IIII", 16 + len(body), command, status, sequence) + body


def deliver(
    sequence: int, text: bytes = b"id:1 stat:DELIVRD", source: bytes = b"8613800000000", esm_class: int = 4
) -> bytes:
    body = b"\0\1\1" + source + b"\0\1\1" + b"10690000\0" + bytes((esm_class, 0, 0)) + b"\0\0\0\0\0\0"
    return frame(5, sequence, body + bytes((len(text),)) + text)


def submit(sequence: int, text: bytes = b"hello") -> bytes:
    body = b"\0\5\0Acme\0\1\0018613800000000\0\0\0\0\0\0\1\0\0\0"
    return frame(4, sequence, body + bytes((len(text),)) + text)


def split(stream: bytes) -> list[tuple[int, int, int, bytes]]:
    """(command, status, sequence, body) of each PDU."""
    found = []
    while stream:
        length, command, status, sequence = unpack_from(">IIII", stream)
        found.append((command, status, sequence, stream[16:length]))
        stream = stream[length:]
    return found


BOUND = frame(0x80000009, 1, b"smsc\0\x02\x10\x00\x01\x34")


def bound_session(params: BindParams = PARAMS) -> EsmeSession[str]:
    """Bound at START; the bind had sequence 1."""
    session: EsmeSession[str] = EsmeSession(params, START)
    session.bind()
    session.receive(BOUND, START)
    return session


def set_last_sequence(session: Session, sequence: int) -> None:
    """As after so many PDUs."""
    session._last_sequence = sequence
