"""The arithmetic of plans, and that a simulated day tells a plan that holds from one that does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.capacity import DAY_S, Costs, Demand, _swing, costs_of, main, plan, simulate, too_much_for_recorders

COSTS = Costs({"api": 50.0, "dispatcher": 80.0, "recorder": 70.0, "kafka": 40.0, "postgres": 60.0}, 600.0, 500.0)
DEMAND = Demand(100_000_000)


def test_a_day_has_the_volume_and_its_peak() -> None:
    rates = [_swing(DEMAND, now) for now in range(0, DAY_S, 60)]
    assert sum(rates) * 60 == pytest.approx(DEMAND.per_day, rel=0.02)
    assert max(rates) == pytest.approx(DEMAND.peak_per_s, rel=0.01)


def test_a_plan_keeps_cores_below_the_load_with_one_process_to_spare() -> None:
    found = plan(DEMAND, COSTS)
    assert found.peak_per_s == pytest.approx(3472, abs=1)
    # 3,472/s at 80 us are 0.28 of a core, 0.56 at half load: one process, and one to spare.
    assert found.processes == {"api": 2, "dispatcher": 2, "recorder": 2}
    assert found.cores == {"kafka": 0.3, "postgres": 0.4}
    # 3,472 messages are 4,167 segments a second, at most 100 a bind.
    assert found.binds == 42
    assert found.kafka_gb == pytest.approx(1e8 * 7 * 600 * 3 / 1e9)
    assert found.postgres_gb == pytest.approx(1e8 * 90 * 500 / 1e9)


def test_binds_are_as_slow_as_window_and_answers_make_them() -> None:
    slow = replace(DEMAND, window=10, latency_s=1.0)
    assert plan(slow, COSTS).binds == 417


def test_what_is_planned_holds_a_day_and_the_loss_of_a_process() -> None:
    day = simulate(DEMAND, COSTS, plan(DEMAND, COSTS))
    assert day.recovered_s is not None
    assert day.recovered_s < 3600
    assert max(day.longest_s.values()) < 60


def test_too_few_recorders_do_not_hold() -> None:
    found = plan(replace(DEMAND, per_day=1_000_000_000), COSTS)
    starved = replace(found, processes={**found.processes, "recorder": 2})
    day = simulate(replace(DEMAND, per_day=1_000_000_000), COSTS, starved, lost=0)
    assert day.longest_s["recorder"] > 600


def test_more_recorders_than_shares_are_told() -> None:
    assert not too_much_for_recorders(plan(DEMAND, COSTS))
    assert too_much_for_recorders(plan(replace(DEMAND, per_day=10_000_000_000), COSTS))


def test_the_command_prints_a_row_for_each_volume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measured = {"bulk": {"cpu_us_per_msg": dict(COSTS.micros), "bytes_per_msg": {"kafka": 600, "postgres": 500}}}
    (tmp_path / "b.json").write_text(json.dumps(measured))
    assert main(["--bench", str(tmp_path / "b.json"), "--per-day", "1000000"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.count("|") == row.count("|")
    assert row.startswith("| 1,000,000 |")


def test_without_figures_it_says_how_to_get_them() -> None:
    with pytest.raises(SystemExit, match="python -m bench --only bulk"):
        main(["--bench", "/nowhere.json"])
    with pytest.raises(SystemExit, match="bytes_per_msg"):
        costs_of({})
