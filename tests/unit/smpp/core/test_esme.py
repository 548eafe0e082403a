"""The client's end of a session, PDU by PDU."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smpp.core.constants import MAX_SEQUENCE, Command, CommandStatus
from smpp.core.esme import MOST_LATE, Answer, EsmeSession
from smpp.core.session import Note, State
from tests.unit.smpp.core.frames import BOUND, PARAMS, START, bound_session, deliver, frame, set_last_sequence, split

NACK = 0x80000000
SUBMIT_RESP = 0x80000004


def submitted(*tokens: str) -> EsmeSession[str]:
    """A bound session that submitted these with the sequences 2, 3, …"""
    session = bound_session()
    session.submit([(token, b"body") for token in tokens], START)
    return session


def notes(got: object) -> list[str]:
    return [note.kind for note in got.notes]  # type: ignore[attr-defined]  # of any Received


# ---- binding


def test_the_bind_says_who_we_are() -> None:
    session: EsmeSession[str] = EsmeSession(PARAMS, START)
    assert split(session.bind()) == [(9, 0, 1, b"alpha\0secret\0SMPP\0\x34\0\0\0")]
    assert session.state is State.BINDING


@pytest.mark.parametrize("command", [Command.BIND_TRANSMITTER, Command.BIND_RECEIVER])
def test_the_other_binds_have_their_own_commands(command: Command) -> None:
    session: EsmeSession[str] = EsmeSession(replace(PARAMS, command=command), START)
    assert split(session.bind())[0][0] == command
    got = session.receive(frame(command | 0x80000000, 1, b"smsc\0"), START)
    assert (notes(got), session.state) == (["bound"], State.BOUND)


def test_the_answer_to_the_bind_and_the_first_receipt_may_come_in_one_segment() -> None:
    session: EsmeSession[str] = EsmeSession(PARAMS, START)
    session.bind()
    got = session.receive(BOUND + deliver(77) + deliver(78), START)
    assert got.notes == [Note("bound", fields={"system_id": "smsc"})]
    assert [delivery.sequence for delivery in got.deliveries] == [77, 78]
    assert session.state is State.BOUND


@pytest.mark.parametrize("body", [b"", b"smsc", b"\0", b"x" * 30, b"smsc\0\x02\x10\x00"])
def test_an_acceptance_is_one_however_odd_its_body(body: bytes) -> None:
    session: EsmeSession[str] = EsmeSession(PARAMS, START)
    session.bind()
    assert notes(session.receive(frame(0x80000009, 1, body), START)) == ["bound"]


@pytest.mark.parametrize("body", [b"", b"smsc\0", b"smsc\0\x02\x10\x00\x01\x34"])
@pytest.mark.parametrize("status", [CommandStatus.ESME_RALYBND, CommandStatus.ESME_RINVPASWD, 0x401])
def test_a_refusal_closes_and_tells_the_status(body: bytes, status: int) -> None:
    session: EsmeSession[str] = EsmeSession(PARAMS, START)
    session.bind()
    got = session.receive(frame(0x80000009, 1, body, status), START)
    assert [(note.kind, note.status) for note in got.notes] == [("bind_refused", status)]
    assert session.state is State.CLOSED


@pytest.mark.parametrize("sequence", [0, 1])
def test_a_nack_refuses_the_bind(sequence: int) -> None:
    session: EsmeSession[str] = EsmeSession(PARAMS, START)
    session.bind()
    got = session.receive(frame(NACK, sequence, status=CommandStatus.ESME_RINVCMDID), START)
    assert got.notes == [Note("bind_refused", 3, "ESME_RINVCMDID")]
    assert session.state is State.CLOSED


def test_no_answer_to_the_bind_ends_the_connection_in_time() -> None:
    session: EsmeSession[str] = EsmeSession(PARAMS, START)
    session.bind()
    assert session.deadline() == START + 10
    session.receive(b"\0", START + 5)  # a peer that dribbles is no answer
    assert session.tick(START + 9.99).fault is None
    got = session.tick(START + 10)
    assert got.fault is not None
    assert (got.fault.kind, session.state) == ("bind_timeout", State.CLOSED)


def test_nothing_is_submitted_before_the_bind_is_accepted_nor_after_an_unbind() -> None:
    session: EsmeSession[str] = EsmeSession(PARAMS, START)
    for prepare in (lambda: b"", session.bind):
        prepare()
        with pytest.raises(ValueError, match="no submit in a session that is"):
            session.submit([("a", b"")], START)
    session = bound_session()
    session.receive(frame(Command.UNBIND, 9), START)
    with pytest.raises(ValueError, match="closing"):
        session.submit([("a", b"")], START)


def test_a_second_answer_to_the_bind_is_counted_and_changes_nothing() -> None:
    session = bound_session()
    assert notes(session.receive(frame(0x80000009, 1, b"", 5), START)) == ["unexpected_response"]
    assert session.state is State.BOUND


# ---- submits and their answers


def test_submits_go_in_order_in_one_write() -> None:
    session = bound_session()
    assert split(session.submit([("a", b"one"), ("b", b"two")], START)) == [(4, 0, 2, b"one"), (4, 0, 3, b"two")]
    assert session.outstanding == 2
    assert session.submit([], START) == b""


@pytest.mark.parametrize(
    ("status", "body", "identity"),
    [
        (0, b"A1B2\0", "A1B2"),
        (0, b"A1B2", "A1B2"),  # no NUL
        (0, b"\0", ""),  # accepted, and can't be traced
        (0, b"", ""),
        (0, b"A1B2\0\x04\x25\x00\x01\x00", "A1B2"),  # a TLV behind it
        (0, b"x" * 64 + b"\0", "x" * 64),
        (0, b"\xe9\0", "é"),
        (0x58, b"", ""),
        (0x58, b"\0", ""),
        (0x14, b"A1B2\0", "A1B2"),
        (0x401, b"\0\x14\x01\x00\x02xy", ""),  # a vendor's status and TLV
        (0x45, b"\xff\xff\xff", "ÿÿÿ"),
    ],
)
def test_answers_bring_token_status_and_id(status: int, body: bytes, identity: str) -> None:
    session = submitted("a", "b")
    got = session.receive(frame(SUBMIT_RESP, 3, body, status), START)
    assert got.answers == [Answer("b", status, identity)]
    assert (got.output, got.notes, session.outstanding) == (b"", [], 1)


def test_answers_may_come_in_any_order_and_only_once() -> None:
    session = submitted("a", "b", "c")
    got = session.receive(b"".join(frame(SUBMIT_RESP, sequence, b"id\0") for sequence in (4, 2, 3, 3)), START)
    assert [answer.token for answer in got.answers] == ["c", "a", "b"]
    assert got.notes == [Note("unexpected_response", 0)]


@pytest.mark.parametrize("sequence", [0, 1, 99, 0xFFFFFFFF])
def test_an_answer_to_nothing_is_counted(sequence: int) -> None:
    session = submitted("a")
    got = session.receive(frame(SUBMIT_RESP, sequence, b"id\0"), START)
    assert (got.answers, got.late, notes(got), session.state) == ([], [], ["unexpected_response"], State.BOUND)
    assert session.outstanding == 1


def test_sequences_wrap_and_skip_what_is_outstanding() -> None:
    session = submitted("a", "b")
    set_last_sequence(session, MAX_SEQUENCE - 1)
    written = session.submit([(token, b"") for token in "cdef"], START)
    assert [sequence for _, _, sequence, _ in split(written)] == [MAX_SEQUENCE, 1, 4, 5]
    got = session.receive(frame(SUBMIT_RESP, 2, b"\0") + frame(SUBMIT_RESP, 4, b"\0"), START)
    assert [answer.token for answer in got.answers] == ["a", "e"]


def test_sequences_skip_what_was_given_up_and_may_still_be_answered() -> None:
    """Else the late answer to one message would be taken for the answer to another."""
    session = submitted("a", "b")
    session.tick(START + 60)
    set_last_sequence(session, 1)
    written = session.submit([("c", b""), ("d", b"")], START + 60)
    assert [sequence for _, _, sequence, _ in split(written)] == [4, 5]
    got = session.receive(frame(SUBMIT_RESP, 2, b"late\0"), START + 61)
    assert (got.answers, got.late) == ([], [Answer("a", 0, "late")])


def test_without_an_answer_in_time_a_submit_is_unanswered_and_its_late_answer_still_told() -> None:
    session = submitted("a", "b")
    session.submit([("c", b"")], START + 1)
    session.receive(deliver(1), START + 31)
    assert session.deadline() == START + 60
    assert session.tick(START + 59.9).unanswered == []
    got = session.tick(START + 60)
    assert (got.unanswered, session.outstanding, session.state) == (["a", "b"], 1, State.BOUND)
    late = session.receive(frame(SUBMIT_RESP, 3, b"id\0") + frame(SUBMIT_RESP, 2, b"", 0x58), START + 70)
    assert late.answers == []
    assert late.late == [Answer("b", 0, "id"), Answer("a", 0x58, "")]
    assert notes(late) == ["late_response", "late_response"]
    assert notes(session.receive(frame(SUBMIT_RESP, 3, b"id\0"), START + 71)) == ["unexpected_response"]


def test_what_was_given_up_is_remembered_in_bounds() -> None:
    session = bound_session()
    for round_number in range(3):
        at = START + round_number * 60
        session.submit([(f"{round_number}-{number}", b"") for number in range(MOST_LATE // 2)], at)
        session.receive(deliver(1), at + 59)
        assert len(session.tick(at + 60).unanswered) == MOST_LATE // 2
    assert len(session._late) == MOST_LATE
    assert session.receive(frame(SUBMIT_RESP, 2, b"\0"), START + 181).late == []
    assert session.receive(frame(SUBMIT_RESP, 2 + MOST_LATE, b"\0"), START + 181).late != []


# ---- generic_nack


@pytest.mark.parametrize(("status", "told"), [(3, 3), (0, CommandStatus.ESME_RUNKNOWNERR), (0x400, 0x400)])
def test_a_nack_with_our_sequence_settles_that_submit(status: int, told: int) -> None:
    session = submitted("a", "b")
    got = session.receive(frame(NACK, 2, status=status), START)
    assert got.answers == [Answer("a", told, "")]
    assert session.outstanding == 1


@pytest.mark.parametrize("sequence", [0, 99])
def test_a_nack_without_our_sequence_leaves_the_window_and_is_told(sequence: int) -> None:
    session = submitted("a")
    got = session.receive(frame(NACK, sequence, status=2), START)
    assert (got.answers, got.notes, session.outstanding) == ([], [Note("nack_unmatched", 2)], 1)
    assert session.state is State.BOUND


def test_a_late_nack_settles_what_was_given_up() -> None:
    session = submitted("a")
    session.tick(START + 60)
    got = session.receive(frame(NACK, 2, status=8), START + 61)
    assert got.late == [Answer("a", 8, "")]
    assert notes(got) == ["late_response"]


# ---- deliveries


def test_deliveries_are_answered_when_the_caller_says() -> None:
    session = bound_session()
    got = session.receive(deliver(7, b"hi", esm_class=0), START)
    (delivery,) = got.deliveries
    assert (delivery.source, delivery.destination, delivery.user_data, got.output) == (
        "8613800000000",
        "10690000",
        b"hi",
        b"",
    )
    answer = session.respond([(delivery.sequence, delivery.command_id)])
    assert split(answer) == [(0x80000005, 0, 7, b"\0")]
    assert split(session.respond([(7, 5), (8, 0x103)], 0x64)) == [
        (0x80000005, 0x64, 7, b"\0"),
        (0x80000103, 0x64, 8, b"\0"),
    ]


def test_data_sm_is_a_delivery_with_its_own_answer() -> None:
    body = DATA_SM_BODY + b"\x04\x24\x00\x05hello"
    (delivery,) = bound_session().receive(frame(0x103, 5, body), START).deliveries
    assert (delivery.command_id, delivery.source, delivery.user_data, delivery.esm_class) == (
        0x103,
        "8613800000000",
        b"hello",
        4,
    )


def test_tlvs_stay_as_they_came_byte_for_byte_repeats_and_vendors_too() -> None:
    tlvs = b"\x14\x00\x00\x03a\0b" + b"\x00\x1e\x00\x02x\0" + b"\x00\x1e\x00\x02y\0" + b"\x3f\xff\x00\x00"
    (delivery,) = bound_session().receive(_with(deliver(1), tlvs), START).deliveries
    assert delivery.tlvs == ((0x1400, b"a\0b"), (0x001E, b"x\0"), (0x001E, b"y\0"), (0x3FFF, b""))


def test_the_text_may_be_in_message_payload() -> None:
    (delivery,) = bound_session().receive(_with(deliver(1, b""), b"\x04\x24\x00\x03abc"), START).deliveries
    assert delivery.user_data == b"abc"


DATA_SM_BODY = b"\0\1\0018613800000000\0\1\00110690000\0\4\0\0"
SPOILT = [
    (lambda body: body[:20], 2, "truncated_body"),
    (lambda body: b"", 2, "truncated_body"),
    (lambda body: body + b"\x14\x00", 0xC0, "tlv_truncated"),
    (lambda body: body + b"\x14\x00\x00\x05abc", 0xC2, "tlv_length"),
]


@pytest.mark.parametrize(
    ("command", "body", "status", "kind"),
    [
        (5, deliver(1)[16:-3], 1, "sm_length"),
        *[(5, spoil(deliver(1)[16:]), status, kind) for spoil, status, kind in SPOILT],
        *[(0x103, spoil(DATA_SM_BODY), status, kind) for spoil, status, kind in SPOILT],
    ],
)
def test_a_delivery_that_disagrees_with_its_lengths_is_refused_and_the_session_goes_on(
    command: int, body: bytes, status: int, kind: str
) -> None:
    session = bound_session()
    got = session.receive(frame(command, 6, body) + deliver(7), START)
    assert split(got.output) == [(command | 0x80000000, status, 6, b"\0")]
    assert [(note.kind, note.status) for note in got.notes] == [(kind, status)]
    assert [delivery.sequence for delivery in got.deliveries] == [7]
    assert session.state is State.BOUND


def test_strings_without_their_nul_at_the_limit_are_read() -> None:
    """§3.1 forbids them; SMSCs send them."""
    source, destination = b"1" * 21, b"2" * 21
    body = b"\0\1\1" + source + b"\1\1" + destination + b"\4\0\0\0\0\0\0\0\0\2hi"
    (delivery,) = bound_session().receive(frame(5, 1, body), START).deliveries
    assert (delivery.source, delivery.destination, delivery.user_data) == ("1" * 21, "2" * 21, b"hi")


def test_addresses_come_as_they_are() -> None:
    for source in (b"+8613800000000", b"008613800000000", b"Acme \xa3", b"", b"12345"):
        (delivery,) = bound_session().receive(deliver(1, source=source), START).deliveries
        assert delivery.source == source.decode("latin-1")


def _with(pdu: bytes, more: bytes) -> bytes:
    return (len(pdu) + len(more)).to_bytes(4, "big") + pdu[4:] + more


# ---- whatever else


@pytest.mark.parametrize("command", [0x0A, 0x104, 0x10203, 0x7FFFFFFF])
def test_a_command_that_nobody_knows_is_nacked_and_the_session_stays(command: int) -> None:
    session = bound_session()
    got = session.receive(frame(command, 42, b"whatever") + deliver(7), START)
    assert split(got.output) == [(NACK, 3, 42, b"")]
    assert got.notes[0] == Note("unknown_command", detail=f"0x{command:08X}")
    assert len(got.deliveries) == 1


@pytest.mark.parametrize("command", [Command.SUBMIT_SM, Command.QUERY_SM, Command.BIND_TRANSCEIVER])
def test_a_command_that_only_we_may_send_is_nacked(command: int) -> None:
    got = bound_session().receive(frame(command, 42), START)
    assert split(got.output) == [(NACK, 3, 42, b"")]
    assert notes(got) == ["unexpected_command"]


@pytest.mark.parametrize("command", [0x80010203, Command.QUERY_SM_RESP, Command.DELIVER_SM_RESP])
def test_an_answer_to_what_we_never_asked_is_not_answered(command: int) -> None:
    got = bound_session().receive(frame(command, 42), START)
    assert got.output == b""
    assert len(got.notes) == 1


@pytest.mark.parametrize("command", [Command.ALERT_NOTIFICATION, Command.OUTBIND])
def test_alert_notification_and_outbind_are_noted_and_not_answered(command: Command) -> None:
    session = bound_session()
    got = session.receive(frame(command, 1, b"\1\1123\0\1\1123\0"), START)
    assert (got.output, notes(got), session.state) == (b"", [command.name.lower()], State.BOUND)


# ---- links


def test_no_enquire_link_before_the_bind_is_accepted() -> None:
    session: EsmeSession[str] = EsmeSession(replace(PARAMS, enquire_link_s=1), START)
    session.bind()
    assert session.tick(START + 5).output == b""


def test_the_peer_s_enquire_link_is_answered_at_once_in_every_state() -> None:
    asked = frame(Command.ENQUIRE_LINK, 77)
    sessions = [EsmeSession(PARAMS, START), bound_session(), submitted("a"), bound_session(), bound_session()]
    sessions[3].receive(frame(Command.UNBIND, 5), START)
    sessions[4].unbind(START)
    for session in sessions:
        assert split(session.receive(asked, START).output) == [(0x80000015, 0, 77, b"")]


def test_a_silent_link_is_asked_and_one_that_stays_silent_is_half_open() -> None:
    session = bound_session()
    assert session.deadline() == START + 30
    assert session.tick(START + 29.9).output == b""
    asked = session.tick(START + 30)
    assert split(asked.output) == [(Command.ENQUIRE_LINK, 0, 2, b"")]
    assert session.deadline() == START + 40
    assert session.tick(START + 39.9) == type(asked)([], [], [], [], [], b"", None)
    dead = session.tick(START + 40)
    assert dead.fault is not None
    assert dead.fault.kind == "enquire_link_timeout"
    assert "silent for 40.0 s" in dead.fault.detail
    assert session.state is State.CLOSED


@pytest.mark.parametrize("sign", [frame(0x80000015, 2), deliver(1), frame(Command.ENQUIRE_LINK, 9), b"\0\0"])
def test_anything_that_comes_in_is_a_sign_of_life(sign: bytes) -> None:
    session = bound_session()
    session.tick(START + 30)
    session.receive(sign, START + 39)
    assert session.deadline() == START + 69
    assert session.tick(START + 45).fault is None


def test_the_link_s_own_sequence_does_not_hit_one_that_is_out() -> None:
    session = submitted("a", "b")
    set_last_sequence(session, 1)
    assert split(session.tick(START + 30).output)[0][2] == 4


# ---- unbinding


def test_the_peer_unbinds_and_what_is_out_may_still_be_answered() -> None:
    session = submitted("a")
    got = session.receive(frame(Command.UNBIND, 9), START)
    assert split(got.output) == [(0x80000006, 0, 9, b"")]
    assert (notes(got), session.state, session.outstanding) == (["peer_unbind"], State.CLOSING, 1)
    assert session.receive(frame(SUBMIT_RESP, 2, b"id\0") + deliver(3), START + 1).answers == [Answer("a", 0, "id")]
    assert session.state is State.CLOSING


def test_in_closing_submits_still_time_out_and_the_link_is_still_watched() -> None:
    session = submitted("a")
    session.receive(frame(Command.UNBIND, 9), START)
    assert session.tick(START + 30).output != b""
    session.receive(frame(0x80000015, 3), START + 31)
    assert session.tick(START + 60).unanswered == ["a"]


def test_we_unbind_and_the_answer_closes() -> None:
    session = submitted("a")
    assert split(session.unbind(START + 1)) == [(Command.UNBIND, 0, 3, b"")]
    assert session.deadline() == START + 11
    got = session.receive(frame(SUBMIT_RESP, 2, b"id\0") + frame(0x80000006, 3), START + 2)
    assert (got.answers, notes(got), session.state) == ([Answer("a", 0, "id")], ["unbound"], State.CLOSED)


def test_an_unbind_that_is_never_answered_ends_in_time() -> None:
    session = submitted("a")
    session.unbind(START + 1)
    session.receive(deliver(1), START + 10)
    assert session.tick(START + 10.9).fault is None
    got = session.tick(START + 11)
    assert got.fault is not None
    assert (got.fault.kind, session.state) == ("bind_timeout", State.CLOSED)
    assert session.abandon() == ["a"]


def test_both_sides_unbind_at_once() -> None:
    session = bound_session()
    session.unbind(START)
    got = session.receive(frame(Command.UNBIND, 9), START)
    assert split(got.output) == [(0x80000006, 0, 9, b"")]
    assert session.state is State.CLOSED


def test_there_is_nothing_to_unbind_before_the_bind_and_after_the_end() -> None:
    session: EsmeSession[str] = EsmeSession(PARAMS, START)
    assert session.unbind(START) == b""
    session.bind()
    assert session.unbind(START) == b""
    session = bound_session()
    session.abandon()
    assert session.unbind(START) == b""


def test_abandoned_tokens_come_oldest_first_and_without_those_given_up() -> None:
    session = submitted("a", "b")
    session.submit([("c", b""), ("d", b"")], START + 30)
    session.receive(frame(SUBMIT_RESP, 4, b"id\0"), START + 31)
    session.tick(START + 60)
    assert session.abandon() == ["d"]
    assert (session.abandon(), session.outstanding, session.state) == ([], 0, State.CLOSED)
    assert session.receive(frame(SUBMIT_RESP, 2, b"id\0"), START + 61).late == []


# ---- time


@pytest.mark.parametrize("state", ["open", "binding", "bound", "submitted", "asked", "closing", "unbinding"])
def test_the_deadline_is_when_the_time_brings_something_and_not_before(state: str) -> None:
    session: EsmeSession[str] = EsmeSession(PARAMS, START)
    if state != "open":
        session.bind()
    if state not in ("open", "binding"):
        session.receive(BOUND, START + 0.5)
    if state in ("submitted", "closing"):
        session.submit([("a", b"")], START + 1)
    if state == "asked":
        session.tick(session.deadline())
    if state == "closing":
        session.receive(frame(Command.UNBIND, 9), START + 2)
    if state == "unbinding":
        session.unbind(START + 2)
    deadline = session.deadline()
    empty = type(session.tick(START))([], [], [], [], [], b"", None)
    assert session.tick(deadline - 0.001) == empty
    assert session.tick(deadline) != empty


def test_a_closed_session_has_nothing_to_do_any_more() -> None:
    session = submitted("a")
    session.receive(b"\0" * 16, START)
    got = session.tick(START + 10_000)
    assert (got.output, got.fault, got.unanswered) == (b"", None, [])
