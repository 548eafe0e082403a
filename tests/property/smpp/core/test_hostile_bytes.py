"""Whatever a peer sends, in whatever pieces: no exception, the same events, and an end with a name when the stream is lost."""

from __future__ import annotations

from typing import Any, NamedTuple

from hypothesis import example, given, settings
from hypothesis import strategies as st

from smpp.core.constants import MAX_PDU_BYTES, Command
from smpp.core.errors import ConnectionFault
from smpp.core.esme import BindParams, EsmeSession
from smpp.core.pdu import HEADER
from smpp.core.session import Session, State
from smpp.core.smsc import SmscSession
from tests.property.smpp.core.strategies import frame, frames, pieces, streams

PARAMS = BindParams("alpha", "secret", enquire_link_s=30, bind_timeout_s=10, submit_timeout_s=60)
BOUND = frame(0x80000009, 0, 1, b"smsc\0")
STATES = ["open", "binding", "bound", "given up", "closing", "unbinding", "closed"]
cut_places = st.lists(st.integers(0, 10_000), max_size=30)


def esme(state: str) -> EsmeSession[int]:
    """A session on its way: in most states with submits out that have the sequences 2 to 5."""
    session: EsmeSession[int] = EsmeSession(PARAMS, 0.0)
    if state == "open":
        return session
    session.bind()
    if state == "binding":
        return session
    if state == "closed":
        session.receive(frame(0x80000009, 0xE, 1, b""), 1.0)
        return session
    session.receive(BOUND, 1.0)
    session.submit([(token, b"body") for token in range(4)], 1.0)
    if state == "given up":
        session.receive(frame(Command.ENQUIRE_LINK, 0, 9, b""), 60.0)
        session.tick(61.0)
    elif state == "closing":
        session.receive(frame(Command.UNBIND, 0, 9, b""), 2.0)
    elif state == "unbinding":
        session.unbind(2.0)
    return session


class Heard(NamedTuple):
    """All that a stream brought, however it was cut."""

    lists: tuple[list[Any], ...]
    output: bytes
    fault: str


def hear(session: Any, stream: list[bytes]) -> Heard:
    lists: tuple[list[Any], ...] = ()
    output, fault = b"", ""
    for piece in stream:
        got = session.receive(piece, 100.0)
        *events, out, broken = got
        lists = lists or tuple([] for _ in events)
        for kept, new in zip(lists, events, strict=True):
            kept.extend(new)
        output += out
        if broken is not None:
            fault = broken.kind
            break
    return Heard(lists, output, fault)


def whole_frames(stream: bytes) -> list[tuple[int, int, int]]:
    """(command, status, sequence) of each PDU before the stream ends or is lost."""
    found = []
    try:
        for command, status, sequence, *_ in Session(0, 1, 1).frames(stream):
            found.append((command, status, sequence))  # what came before the fault counts
    except ConnectionFault:
        pass
    return found


@settings(max_examples=250)
@given(streams, cut_places, st.sampled_from(STATES))
@example(frame(0x80000004, 0, 2, b"id\0") * 2, [1, 5, 17], "bound")
@example(frame(0x80000004, 0, 2, b"id\0"), [], "given up")
@example(b"\x80\0\0\x09" * 8, [3], "bound")
def test_a_client_hears_the_same_whole_or_in_pieces(stream: bytes, cuts: list[int], state: str) -> None:
    whole, cut = hear(esme(state), [stream]), hear(esme(state), pieces(stream, cuts))
    if not stream:
        return
    assert cut == whole
    assert hear(esme(state), [stream[at : at + 1] for at in range(len(stream))]) == whole


@settings(max_examples=250)
@given(streams, st.sampled_from(STATES))
def test_a_client_answers_requests_only_and_each_token_comes_back_at_most_once(stream: bytes, state: str) -> None:
    session = esme(state)
    outstanding = session.outstanding
    got = session.receive(stream, 100.0)
    incoming = whole_frames(stream)
    requests = [entry for entry in incoming if not entry[0] & 0x80000000]
    answered = whole_frames(got.output)
    assert not got.output or answered, "what goes out is whole PDUs"
    assert all(command & 0x80000000 for command, _, _ in answered)
    assert len(answered) + len(got.deliveries) <= len(requests)
    assert {sequence for _, _, sequence in answered} <= {sequence for _, _, sequence in requests}
    tokens = [answer.token for answer in (*got.answers, *got.late)]
    assert len(tokens) == len(set(tokens))
    assert session.outstanding == outstanding - len(got.answers)
    deliver = [entry for entry in incoming if entry[0] in (Command.DELIVER_SM, Command.DATA_SM)]
    refused = [entry for entry in answered if entry[0] in (Command.DELIVER_SM_RESP, Command.DATA_SM_RESP)]
    assert len(got.deliveries) + len(refused) == len(deliver), "each delivery is handed on or refused"
    assert (got.fault is None) or session.state is State.CLOSED


@settings(max_examples=250)
@given(streams, st.sampled_from(STATES), st.floats(0, 1000))
def test_a_client_that_lost_the_stream_is_closed_and_gives_its_tokens_back(
    stream: bytes, state: str, later: float
) -> None:
    session = esme(state)
    got = session.receive(stream + b"\0\0\0\x0f" + b"x" * 12, 100.0)
    rest = len(stream) - 16 * len(whole_frames(stream))
    if got.fault is None:
        # A PDU that says it is longer than what came: then the rest may be its body.
        assert rest > 0
        return
    assert got.fault.kind == "bad_length"
    assert session.state is State.CLOSED
    again = session.receive(b"whatever comes then", 101.0)
    assert again.fault is None or again.fault.kind == "bad_length"
    ticked = session.tick(101.0 + later)
    assert ticked.output == b""
    left = session.outstanding
    assert len(session.abandon()) == left
    assert session.abandon() == []


@settings(max_examples=250)
@given(streams, cut_places, st.booleans())
def test_a_server_hears_the_same_whole_or_in_pieces(stream: bytes, cuts: list[int], bound: bool) -> None:
    def smsc() -> SmscSession[int]:
        session: SmscSession[int] = SmscSession(0.0)
        if bound:
            (request,) = session.receive(frame(9, 0, 1, b"a\0b\0\0\x34\0\0\0"), 0.0).binds
            session.accept_bind(request, "smsc")
            session.deliver([(token, b"body") for token in range(4)])
        return session

    if not stream:
        return
    whole = hear(smsc(), [stream])
    assert hear(smsc(), pieces(stream, cuts)) == whole
    binds, submits, acknowledged, _ = whole.lists
    assert len(binds) + len(submits) + len(acknowledged) <= len(whole_frames(stream))
    assert len({token for token, _ in acknowledged}) == len(acknowledged)
    assert all(command & 0x80000000 for command, _, _ in whole_frames(whole.output))


@given(st.integers(0, 0xFFFFFFFF), st.binary(min_size=12, max_size=30))
def test_a_length_that_no_pdu_has_ends_the_stream_at_once(length: int, rest: bytes) -> None:
    """Not after waiting for as many bytes as it says."""
    session = esme("bound")
    got = session.receive(length.to_bytes(4, "big") + rest, 2.0)
    if 16 <= length <= MAX_PDU_BYTES:
        assert got.fault is None or length <= 4 + len(rest)
    else:
        assert got.fault is not None
        assert got.fault.kind == "bad_length"
        assert str(length) in got.fault.detail


@given(st.lists(frames, max_size=8), st.integers(0, 15))
def test_what_is_whole_is_handed_on_before_the_stream_is_lost(parts: list[bytes], short: int) -> None:
    sane = [part for part in parts if len(part) <= MAX_PDU_BYTES]
    lost = HEADER.pack(short, Command.ENQUIRE_LINK, 0, 1)
    kept, broken = esme("bound"), esme("bound")
    whole = hear(kept, [b"".join(sane)])
    cut = hear(broken, [b"".join(sane) + lost])
    if whole.fault:
        return
    assert cut.fault == "bad_length"
    assert (cut.lists, cut.output) == ((whole.lists, whole.output) if sane else (tuple([] for _ in range(5)), b""))


@given(st.integers(1, 200), st.integers(0, 70_000))
def test_what_waits_for_its_rest_is_bounded(chunk: int, length: int) -> None:
    session = esme("bound")
    session.receive(HEADER.pack(max(16, min(length, MAX_PDU_BYTES)), Command.ENQUIRE_LINK, 0, 1), 2.0)
    for _ in range(50):
        session.receive(b"\xff" * chunk, 2.0)
    assert len(session._rest) <= MAX_PDU_BYTES
