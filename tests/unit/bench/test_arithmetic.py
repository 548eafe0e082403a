"""What the bench makes of its figures: costs a message, numbers of two results side by side, the page."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bench.compare import compared, differing, numbers, settings_of
from bench.costs import bytes_on_disk, children_by_parent, peak_mb_of, per_message, role_of, usage_of
from bench.report import html, lines_of
from bench.stack import Layout

FOUND = {
    "machine": {"cores": 2},
    "settings": {"acks": "all"},
    "bulk": {
        "settings": Layout(window=200, exposure=1000, partitions=2).settings(),
        "messages": 1000, "msgs_per_s": 5000.0, "cpu_us_per_msg": {"api": 50.0, "dispatcher": 100.0},
        "series": {"accepted": [(0.0, 0.0), (1.0, 10.0), (2.0, 20.0)], "final": [(0.0, 0.0), (1.0, 5.0), (2.0, 20.0)]},
    },
    "bulk_exposure_50": {
        "settings": Layout().settings(), "messages": 500, "msgs_per_s": 4000.0, "cpu_us_per_msg": {"api": 60.0},
    },
    "bind": {
        "settings": {"window": 64}, "receipts": {"ours_per_s": 100, "smpp34_per_s": 10, "aiosmpplib_per_s": 5},
    },
    "scale": {
        "1": {"settings": Layout(window=200, exposure=1000).settings(), "msgs_per_s": 5000.0},
        "2": {"settings": Layout(window=200, exposure=1000, dispatchers=2).settings(), "msgs_per_s": 4000.0},
    },
}  # fmt: skip


def test_processes_of_a_role_are_one() -> None:
    assert [role_of(name) for name in ("dispatcher-1", "dispatcher-12", "kafka")] == [
        "dispatcher",
        "dispatcher",
        "kafka",
    ]


def test_bytes_on_disk_are_those_of_logs_and_tables(tmp_path: Path) -> None:
    for name, size in (
        ("kafka/data/mt.alpha.otp-0/0.log", 100), ("kafka/data/mt.alpha.otp-0/0.index", 7),
        ("postgres/data/base/5/16384", 50), ("postgres/data/pg_wal/1", 9),
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    assert bytes_on_disk(tmp_path) == {"kafka": 100, "postgres": 50}


def test_costs_are_microseconds_a_message_since_the_look_before() -> None:
    before, after = {"api": 1.0, "kafka": 3.0}, {"api": 1.5, "kafka": 3.0, "recorder": 0.1}
    assert per_message(before, after, 1000) == {"api": 500.0, "recorder": 100.0}


def test_usage_counts_a_process_and_what_it_has_buried() -> None:
    spend = "import time\nwhile time.process_time() < 0.15: pass"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {spend!r}]); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert process.pid in children_by_parent()[os.getpid()]
        usage = usage_of(process.pid, children_by_parent())
        peak_mb = peak_mb_of(process.pid)
        process.communicate(b"\n")
    assert usage.cpu_s >= 0.12
    assert usage.rss_mb > 1
    assert peak_mb >= usage.rss_mb - 1
    assert peak_mb_of(process.pid) == 0, "it is gone"


def test_two_results_are_compared_where_both_have_a_number() -> None:
    assert list(numbers({"a": {"b": 1, "c": True}, "d": "x"})) == [("a.b", 1.0)]
    before, after = {"bulk": {"msgs_per_s": 100, "gone": 1}}, {"bulk": {"msgs_per_s": 150}}
    assert list(compared(before, after)) == [("bulk.msgs_per_s", 100.0, 150.0, 1.5)]


def test_settings_are_no_figures_and_those_that_differ_are_told() -> None:
    before = {"settings": {"acks": "all"}, "bulk": {"settings": {"window": 50, "lanes": 2}, "msgs_per_s": 100}}
    after = {"settings": {"acks": "1"}, "bulk": {"settings": {"window": 200, "lanes": 2, "tps": 1}, "msgs_per_s": 100}}
    assert [name for name, *_ in compared(before, after)] == ["bulk.msgs_per_s"]
    assert list(differing(before, after)) == [("acks", "all", "1"), ("bulk.window", 50, 200)]
    assert list(differing({"bulk": {}}, after)) == []


def test_each_row_or_part_of_it_has_its_settings() -> None:
    names = [name for name, _ in settings_of(FOUND)]
    assert names == ["", "bulk", "bulk_exposure_50", "bind", "scale.1", "scale.2"]


def test_the_table_names_what_was_measured_and_nothing_else() -> None:
    told = list(lines_of(FOUND))
    assert [what for what, _, _ in told] == [
        "bulk, 4 carriers × 2 lanes, window 200, exposure 1,000, 2 partitions: 1,000 to delivered rows",
        "    CPU a message",
        "bulk, 4 carriers × 2 lanes, window and exposure 50, 12 partitions: 500 to delivered rows",
        "    CPU a message",
        "one bind, window 64, receipts",
        "dispatchers and recorders, 4 carriers × 2 lanes, window 200, exposure 1,000, 12 partitions",
    ]
    assert told[1][1] == "150 µs: api 50, dispatcher 100"
    assert "10.0 x smpp34" in told[4][1]


def test_the_page_stands_alone() -> None:
    page = html(FOUND)
    assert page.count("<svg") == 2
    assert "<td>scale.2</td><td>carriers 4, lanes 2, partitions 12, window 200, exposure 1000, dispatchers 2," in page
    assert "http" not in page.replace("http-equiv", "")
