"""What a drill concludes: doubts in one loss, segments in a sliding second, the mean without the takeover."""

from __future__ import annotations

import pytest

from tests.drill.judgement import Doubt, Write, mean_rate, most_in_a_second, most_in_one_loss, read_writes


def doubt(id: str, at_ms: int, lane: int = 0, reason: str = "owner_lost") -> Doubt:
    return Doubt(id, "alpha", lane, reason, at_ms)


def test_doubts_of_one_lane_and_moment_are_one_loss() -> None:
    first = [doubt(f"a{number}", 1_000 + number * 10) for number in range(5)]
    later = [doubt(f"b{number}", 9_000) for number in range(3)]
    elsewhere = [doubt(f"c{number}", 1_000, lane=1) for number in range(4)]
    assert most_in_one_loss([*later, *elsewhere, *first]) == 5
    assert most_in_one_loss([]) == 0


def test_a_message_that_is_listed_twice_in_a_loss_counts_once() -> None:
    assert most_in_one_loss([doubt("a", 0), doubt("a", 500), doubt("b", 900)]) == 2


def test_the_fullest_second_slides() -> None:
    writes = [Write(0.0, "a", 0, 5), Write(0.6, "a", 1, 5), Write(0.999, "a", 0, 5), Write(1.5, "a", 0, 5)]
    assert most_in_a_second(writes) == 15
    assert most_in_a_second([Write(0.0, "a", 0, 5), Write(1.0, "a", 0, 5)]) == 5
    assert most_in_a_second([]) == 0


def test_the_mean_leaves_the_takeover_out() -> None:
    writes = [Write(float(second), "a", 0, 100) for second in range(10) if not 4 <= second < 7]
    assert mean_rate(writes, 0.0, 10.0, (4.0, 7.0)) == pytest.approx(100)
    assert mean_rate(writes, 0.0, 10.0, (4.0, 4.0)) == pytest.approx(70)


def test_lines_of_the_write_log_are_read() -> None:
    assert read_writes(["1795755670.602000 alpha 1 3"]) == [Write(1795755670.602, "alpha", 1, 3)]
