"""The server's end of a session, PDU by PDU."""

from __future__ import annotations

import pytest

from smpp.core.constants import MAX_SEQUENCE, Command, CommandStatus
from smpp.core.session import Note, State
from smpp.core.smsc import BindRequest, SmscSession
from tests.unit.smpp.core.frames import START, frame, set_last_sequence, split, submit

BIND_BODY = b"alpha\0secret\0SMPP\0\x34\0\0\0"


def bound(command: int = Command.BIND_TRANSCEIVER) -> SmscSession[str]:
    session: SmscSession[str] = SmscSession(START)
    (request,) = session.receive(frame(command, 1, BIND_BODY), START).binds
    session.accept_bind(request, "smsc")
    return session


@pytest.mark.parametrize("command", [Command.BIND_TRANSCEIVER, Command.BIND_TRANSMITTER, Command.BIND_RECEIVER])
def test_a_bind_is_asked_for_and_accepted(command: Command) -> None:
    session: SmscSession[str] = SmscSession(START)
    got = session.receive(frame(command, 3, BIND_BODY), START)
    assert got.binds == [BindRequest(3, command, "alpha", "secret", "SMPP", 0x34)]
    assert (got.output, session.state, session.mode) == (b"", State.OPEN, None)
    answer = session.accept_bind(got.binds[0], "smsc")
    assert split(answer) == [(command | 0x80000000, 0, 3, b"smsc\0\x02\x10\x00\x01\x34")]
    assert (session.state, session.mode) == (State.BOUND, command)


def test_a_bind_is_refused_with_a_header_alone() -> None:
    session: SmscSession[str] = SmscSession(START)
    (request,) = session.receive(frame(9, 3, BIND_BODY), START).binds
    assert split(session.refuse_bind(request, 0xE)) == [(0x80000009, 0xE, 3, b"")]
    assert session.state is State.OPEN


def test_a_second_bind_on_a_bound_connection_is_refused() -> None:
    got = bound().receive(frame(9, 4, BIND_BODY), START)
    assert (got.binds, split(got.output)) == ([], [(0x80000009, CommandStatus.ESME_RALYBND, 4, b"")])


@pytest.mark.parametrize("body", [b"", b"alpha\0secret\0", b"\0" * 4, BIND_BODY[:-1]])
def test_a_bind_cut_short_is_refused(body: bytes) -> None:
    session: SmscSession[str] = SmscSession(START)
    got = session.receive(frame(9, 3, body), START)
    assert got.binds == []
    assert split(got.output) == [(0x80000009, CommandStatus.ESME_RINVCMDLEN, 3, b"")]
    assert [note.kind for note in got.notes] == ["truncated_body"]


def test_submits_come_with_their_sequences_and_are_answered_as_the_caller_says() -> None:
    session = bound()
    got = session.receive(submit(7, b"one") + submit(8, b"two"), START)
    assert [(sequence, sm.source, sm.destination, sm.short_message) for sequence, sm in got.submits] == [
        (7, "Acme", "8613800000000", b"one"),
        (8, "Acme", "8613800000000", b"two"),
    ]
    assert split(session.answer([(7, 0, b"A1"), (8, 0x58, b"")])) == [
        (0x80000004, 0, 7, b"A1\0"),
        (0x80000004, 0x58, 8, b""),
    ]


def test_a_submit_before_the_bind_is_refused() -> None:
    session: SmscSession[str] = SmscSession(START)
    got = session.receive(submit(7), START)
    assert (got.submits, split(got.output)) == ([], [(0x80000004, CommandStatus.ESME_RINVBNDSTS, 7, b"")])


def test_a_submit_that_disagrees_with_its_lengths_is_refused_and_the_next_is_read() -> None:
    got = bound().receive(frame(4, 7, submit(1)[16:-2]) + submit(8), START)
    assert split(got.output) == [(0x80000004, CommandStatus.ESME_RINVMSGLEN, 7, b"")]
    assert [sequence for sequence, _ in got.submits] == [8]
    assert [note.kind for note in got.notes] == ["sm_length"]


def test_deliveries_are_acknowledged_by_sequence_once() -> None:
    session = bound()
    assert split(session.deliver([("a", b"one"), ("b", b"two")])) == [(5, 0, 1, b"one"), (5, 0, 2, b"two")]
    assert session.outstanding == 2
    got = session.receive(
        frame(0x80000005, 2, b"a-real-id\0") + frame(0x80000005, 2, b"\0") + frame(0x80000005, 1, b"", 0x64), START
    )
    assert got.acknowledged == [("b", 0), ("a", 0x64)]
    assert got.notes == [Note("unexpected_response", 0)]
    assert session.outstanding == 0


def test_delivery_sequences_wrap_and_skip_what_is_out() -> None:
    session = bound()
    session.deliver([("a", b""), ("b", b"")])
    set_last_sequence(session, MAX_SEQUENCE - 1)
    assert [entry[2] for entry in split(session.deliver([(token, b"") for token in "cde"]))] == [MAX_SEQUENCE, 3, 4]


@pytest.mark.parametrize(("status", "told"), [(0, 0xFF), (3, 3)])
def test_a_nack_is_an_acknowledgement_that_failed(status: int, told: int) -> None:
    session = bound()
    session.deliver([("a", b"")])
    assert session.receive(frame(0x80000000, 1, status=status), START).acknowledged == [("a", told)]
    assert session.receive(frame(0x80000000, 1, status=status), START).acknowledged == []


def test_links_are_answered_and_watched() -> None:
    session = bound()
    assert split(session.receive(frame(0x15, 9), START).output) == [(0x80000015, 0, 9, b"")]
    assert session.receive(frame(0x80000015, 9), START).output == b""
    assert split(session.check_link(START + 60, {1}))[0][:3] == (0x15, 0, 2)


def test_the_esme_unbinds() -> None:
    session = bound()
    got = session.receive(frame(6, 9), START)
    assert (split(got.output), session.state) == ([(0x80000006, 0, 9, b"")], State.CLOSING)
    assert [note.kind for note in got.notes] == ["peer_unbind"]
    late = session.receive(submit(10), START)
    assert (late.submits, split(late.output)) == ([], [(0x80000004, CommandStatus.ESME_RINVBNDSTS, 10, b"")])


def test_we_unbind_the_esme() -> None:
    session = bound()
    session.deliver([("a", b"")])
    assert split(session.unbind()) == [(6, 0, 2, b"")]
    got = session.receive(frame(0x80000006, 2), START)
    assert ([note.kind for note in got.notes], session.state) == (["unbound"], State.CLOSED)
    assert session.abandon() == ["a"]
    assert (session.abandon(), session.outstanding) == ([], 0)


@pytest.mark.parametrize(
    ("command", "kind"),
    [(0x10203, "unknown_command"), (Command.QUERY_SM, "unexpected_command"), (Command.DATA_SM, "unexpected_command")],
)
def test_other_commands_are_nacked(command: int, kind: str) -> None:
    session = bound()
    got = session.receive(frame(command, 5, b"x"), START)
    assert split(got.output) == [(0x80000000, CommandStatus.ESME_RINVCMDID, 5, b"")]
    assert [note.kind for note in got.notes] == [kind]
    assert session.state is State.BOUND


def test_a_lost_stream_closes_with_a_name_after_what_was_whole() -> None:
    session = bound()
    got = session.receive(submit(7) + b"\x80\0\0\x09" + bytes(12), START)
    assert len(got.submits) == 1
    assert got.fault is not None
    assert (got.fault.kind, session.state) == ("bad_length", State.CLOSED)
