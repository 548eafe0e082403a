"""The circuit in a lane: it opens by the error rate, probes, and never leaves the lane waiting for what can't come."""

from __future__ import annotations

from policy.circuit import PROBES, REST_S, CircuitState
from smpp.core.constants import CommandStatus
from tests.unit.dispatcher.rig import OTP, LaneRig, carrier


def tripped() -> LaneRig:
    """A lane whose carrier answered with its own faults, and which has rested."""
    rig = LaneRig(carrier(tps=1000, window=50, in_doubt={"otp": "drop"}))
    rig.feed(OTP, 500)
    while rig.lane.circuit.state is CircuitState.CLOSED:
        rig.turn()
        rig.answer(list(rig.out), CommandStatus.ESME_RSYSERR)
        rig.now += 0.02
    assert rig.turn() == []
    rig.now += REST_S + 0.1
    return rig


def test_it_opens_after_a_run_of_faults_and_then_nothing_is_written() -> None:
    rig = tripped()
    assert rig.lane.circuit.state is CircuitState.OPEN
    assert len(rig.turn()) == PROBES
    assert rig.turn() == []


def test_good_probes_close_it() -> None:
    rig = tripped()
    rig.turn()
    rig.answer(list(rig.out))
    assert rig.lane.circuit.state is CircuitState.CLOSED
    rig.now += 0.1
    assert len(rig.turn()) > PROBES


def test_probes_without_an_answer_open_it_again_and_it_probes_later() -> None:
    rig = tripped()
    rig.turn()
    lost, rig.out = rig.out, []
    rig.lane.unanswered([item.token for item in lost], "no_answer", rig.now, rig.now_ms)
    assert rig.lane.circuit.state is CircuitState.OPEN
    rig.now += REST_S + 0.1
    assert len(rig.turn()) == PROBES


def test_while_probes_are_out_no_timer_runs() -> None:
    rig = tripped()
    rig.turn()
    rig.now += 1.0
    assert rig.turn() == []
    assert rig.lane.deadline(rig.now) is None
