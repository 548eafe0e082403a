"""What both ends share: the table of states, sequence numbers, framing at its limits."""

from __future__ import annotations

import re
from itertools import product

import pytest

from smpp.core.constants import MAX_PDU_BYTES, MAX_SEQUENCE, Command, CommandStatus, status_name
from smpp.core.errors import ConnectionFault, PduFault
from smpp.core.session import TRANSITIONS, Session, State, Step
from tests.unit.smpp.core.frames import frame, set_last_sequence

# Said a second time, so that a change of the table is a decision: (state, step) → state. All others leave it as it is.
EXPECTED = """
open      bind_sent       binding
binding   bind_accepted   bound
binding   bind_refused    closed
binding   unbind_received closed
bound     unbind_sent     unbinding
bound     unbind_received closing
closing   unbind_sent     unbinding
closing   unbind_received closing
unbinding unbind_answered closed
unbinding unbind_received closed
open      fault           closed
binding   fault           closed
bound     fault           closed
closing   fault           closed
unbinding fault           closed
closed    fault           closed
"""
TABLE = {(State(a), Step(b)): State(c) for a, b, c in map(str.split, EXPECTED.strip().splitlines())}


@pytest.mark.parametrize(("state", "step"), list(product(State, Step)), ids=lambda value: value.value)
def test_every_step_from_every_state(state: State, step: Step) -> None:
    session = Session(0, 1, 1)
    session.state = state
    assert session.move(step) == ((state, step) in TABLE)
    assert session.state is TABLE.get((state, step), state)


def test_the_table_has_nothing_else_and_nothing_leaves_closed() -> None:
    assert TRANSITIONS == TABLE
    assert {target for (state, _), target in TRANSITIONS.items() if state is State.CLOSED} == {State.CLOSED}


def test_every_state_but_the_first_can_be_reached_and_left() -> None:
    reached, grew = {State.OPEN}, True
    while grew:
        more = {target for (state, _), target in TRANSITIONS.items() if state in reached}
        grew = not more <= reached
        reached |= more
    assert reached == set(State)


def test_sequences_run_from_one_to_the_largest_and_wrap_over_what_is_taken() -> None:
    session = Session(0, 1, 1)
    assert [session.next_sequence(()) for _ in range(3)] == [1, 2, 3]
    set_last_sequence(session, MAX_SEQUENCE - 1)
    assert session.next_sequence(()) == MAX_SEQUENCE == 0x7FFFFFFF
    assert session.next_sequence({1, 2, 4}) == 3
    assert session.next_sequence({1, 2, 4}) == 5


@pytest.mark.parametrize("length", [0, 1, 15, MAX_PDU_BYTES + 1, 0x80000009, 0xFFFFFFFF])
def test_a_length_that_no_pdu_has_is_named(length: int) -> None:
    session = Session(0, 1, 1)
    with pytest.raises(ConnectionFault, match=f"bad_length: command_length {length} is no PDU's"):
        list(session.frames(length.to_bytes(4, "big") + bytes(12)))


def test_the_shortest_and_the_longest_pdu_pass() -> None:
    session = Session(0, 1, 1)
    longest = frame(5, 2, b"x" * (MAX_PDU_BYTES - 16))
    assert [(sequence, end - start) for _, _, sequence, _, start, end in session.frames(frame(21, 1) + longest)] == [
        (1, 0),
        (2, MAX_PDU_BYTES - 16),
    ]


def test_hundreds_of_pdus_in_one_piece_and_one_byte_by_byte() -> None:
    stream = b"".join(frame(21, number, b"x" * (number % 7)) for number in range(1, 501))
    whole = [entry[2] for entry in Session(0, 1, 1).frames(stream)]
    session = Session(0, 1, 1)
    dribbled = [entry[2] for at in range(len(stream)) for entry in session.frames(stream[at : at + 1])]
    assert whole == dribbled == list(range(1, 501))


def test_statuses_have_names() -> None:
    assert status_name(0x58) == "ESME_RTHROTTLED"
    assert status_name(0x401) == "0x00000401"
    assert status_name(0xFFFFFFFF) == "0xFFFFFFFF"


def test_numbers_are_those_of_the_specification() -> None:
    """SMPP 3.4 §5.1.2.1 and §5.1.3, a few of each, and the shape of all."""
    assert (Command.BIND_TRANSCEIVER, Command.DATA_SM, Command.ALERT_NOTIFICATION, Command.OUTBIND) == (
        9,
        0x103,
        0x102,
        0xB,
    )
    assert (CommandStatus.ESME_RALYBND, CommandStatus.ESME_RX_T_APPN, CommandStatus.ESME_RUNKNOWNERR) == (5, 0x64, 0xFF)
    requests = {command for command in Command if not command & 0x80000000}
    for request in requests - {Command.OUTBIND, Command.ALERT_NOTIFICATION}:
        assert Command(request | 0x80000000).name == f"{request.name}_RESP"
    assert all(re.fullmatch(r"ESME_R[A-Z_]+", status.name) for status in CommandStatus)


def test_faults_say_kind_and_detail() -> None:
    assert str(ConnectionFault("bad_length", "x")) == "bad_length: x"
    fault = PduFault("sm_length", 1, "y")
    assert (fault.kind, fault.status, str(fault)) == ("sm_length", 1, "sm_length: y")
