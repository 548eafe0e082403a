"""The circuit breaker, in virtual time."""

from __future__ import annotations

from policy.circuit import LEAST_ANSWERS, PROBES, REST_S, SPAN_S, Circuit, CircuitState


def tripped(now: float = 100.0) -> Circuit:
    circuit = Circuit()
    circuit.answered(0, LEAST_ANSWERS, now)
    return circuit


def test_a_few_faults_do_not_open_it() -> None:
    circuit = Circuit()
    circuit.answered(0, LEAST_ANSWERS - 1, 100.0)
    assert circuit.state is CircuitState.CLOSED
    assert circuit.allows(100.0) is None


def test_mostly_faults_open_it() -> None:
    circuit = Circuit()
    circuit.answered(4, 16, 100.0)
    assert circuit.state is CircuitState.OPEN
    assert circuit.allows(100.0) == 0


def test_many_good_answers_keep_it_closed() -> None:
    circuit = Circuit()
    circuit.answered(100, 20, 100.0)
    assert circuit.state is CircuitState.CLOSED


def test_faults_long_past_do_not_count() -> None:
    circuit = Circuit()
    circuit.answered(0, LEAST_ANSWERS - 1, 100.0)
    circuit.answered(0, LEAST_ANSWERS - 1, 100.0 + SPAN_S + 1)
    assert circuit.state is CircuitState.CLOSED


def test_after_its_rest_it_lets_probes_through_and_closes_when_they_are_good() -> None:
    circuit = tripped()
    assert circuit.allows(100.0 + REST_S) == PROBES
    circuit.wrote(PROBES)
    assert circuit.allows(100.0 + REST_S) == 0
    circuit.answered(PROBES, 0, 101.0 + REST_S)
    assert circuit.state is CircuitState.CLOSED


def test_a_bad_probe_opens_it_again_and_the_time_to_failover_goes_on() -> None:
    circuit = tripped()
    circuit.allows(100.0 + REST_S)
    circuit.answered(0, 1, 101.0 + REST_S)
    assert circuit.state is CircuitState.OPEN
    assert circuit.since == 100.0
    assert circuit.rests_until == 101.0 + REST_S + REST_S


def test_a_new_trip_counts_anew() -> None:
    circuit = tripped()
    circuit.allows(100.0 + REST_S)
    circuit.answered(PROBES, 0, 120.0)
    circuit.answered(0, LEAST_ANSWERS, 300.0)
    assert circuit.since == 300.0
