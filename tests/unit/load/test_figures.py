"""Percentiles are right to five percent, and book and report hold what was told."""

from __future__ import annotations

import json
import random
from html.parser import HTMLParser
from pathlib import Path

import pytest

from load.book import Book
from load.figures import Figures, Histogram, Sample, Seen
from load.messages import Message
from load.options import Options
from load.plots import Line, bars, lines, nice, rates
from load.report import html, write_report
from load.run import Result
from load.schedule import Schedule, Step
from load.screen import told
from load.summary import summary
from load.verdict import Verdict
from runtime.errors import UnavailableError


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99, 0.999])
def test_percentiles_are_right_to_five_percent(share: float) -> None:
    luck, histogram = random.Random(1), Histogram()
    values = sorted(luck.expovariate(1 / 0.02) for _ in range(20_000))
    for value in values:
        histogram.add(value)
    assert histogram.quantile(share) == pytest.approx(values[int(share * len(values))], rel=0.06)


def test_a_histogram_bears_extremes() -> None:
    histogram = Histogram()
    assert histogram.quantile(0.99) == 0.0
    for value in (0.0, 1e-9, 1e9):
        histogram.add(value)
    assert histogram.quantile(1) <= 1e9
    assert histogram.count == 3


def test_merged_histograms_are_one() -> None:
    one, other = Histogram(), Histogram()
    one.add(0.001, 3)
    other.add(0.1)
    one.merge(other)
    assert (one.count, one.most_s) == (4, 0.1)
    assert sum(number for _, _, number in one.buckets()) == 4


async def test_the_book_has_a_line_for_each_message_that_has_an_id(tmp_path: Path) -> None:
    path = tmp_path / "book"
    book = Book(str(path))
    messages = [Message(b"8613800000001", b"aaaa", b"{}"), Message(b"8613800000002", b"bbbb", b"{}")]
    book.accepted(messages, ["id-1", None], 1_795_000_000.1239)
    book.unanswered(messages[1:])
    book.close()
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"id": "id-1", "to": "+8613800000001", "nonce": "aaaa", "accepted_at": "2026-11-18T11:06:40.123Z"},
        {"id": None, "to": "+8613800000002", "nonce": "bbbb", "accepted_at": None},
    ]


async def test_a_book_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="can't write the book"):
        Book(str(tmp_path / "none" / "book"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
async def test_a_full_disk_is_told() -> None:
    book = Book("/dev/full")
    book.unanswered([Message(b"8613800000001", b"aaaa", b"{}")])
    with pytest.raises(UnavailableError, match="No space left"):
        book.close()


def result(sustained: bool | None = True) -> Result:
    figures = Figures(2)
    figures.started, figures.stopped, figures.accepted = 100.0, 110.0, 9000
    figures.attempts.update({"202": 90, "503": 2})
    for step in figures.steps:
        step.latency.add(0.01, 4500)
        step.late.add(0.001, 4500)
    figures.samples = [
        Sample(float(at), 900 * at, Seen(900 * at, 800 * at, 700 * at, 700 * at, 5, 0.1)) for at in range(11)
    ]
    verdicts = [Verdict(True, "output kept up", 900.0, 890.0), Verdict(sustained, "<b>behind</b>", 900.0, 500.0)]
    schedule = Schedule([Step(900, 5), Step(900, 5)])
    options = Options(("http://127.0.0.1:1",), "secret-key", steps=(900, 900), step_s=5)
    return Result(options, schedule, figures, figures.samples[-1].seen, verdicts, 1.1)


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_report_stands_alone() -> None:
    page = html(result())
    tags = Tags(page)
    assert tags.found.count("svg") == 5
    assert "script" not in tags.found
    assert tags.links == []
    assert "secret-key" not in page
    assert "<b>behind" not in page
    for word in ("Throughput", "Latency of the 202", "Lag of the projection", "900", "not sustained"):
        assert word in (page if word != "not sustained" else html(result(sustained=False)))


def test_the_report_of_a_run_without_figures_is_a_report(tmp_path: Path) -> None:
    empty = Result(Options(("http://127.0.0.1:1",), "k"), None, Figures(1), Seen(), [], None)
    path = tmp_path / "report.html"
    write_report(str(path), empty)
    assert "nothing was measured" in path.read_text()
    with pytest.raises(UnavailableError, match="can't write the report"):
        write_report(str(tmp_path / "none" / "r.html"), empty)


def test_a_run_that_is_behind_is_not_ok() -> None:
    well, behind = summary(result()), summary(result(sustained=False))
    assert (well["ok"], well["sustained"]) == (True, True)
    assert (behind["ok"], behind["sustained"]) == (False, False)
    assert "NOT SUSTAINED" in told(result(sustained=False))
    assert json.loads(json.dumps(well))["attempts"] == {"202": 90, "503": 2}


def test_what_was_rejected_or_unanswered_is_not_ok() -> None:
    for name in ("unanswered", "unsent"):
        found = result()
        setattr(found.figures, name, 3)
        assert not summary(found)["ok"]
        assert name.upper() in told(found)
    found = result()
    found.figures.rejected["invalid_number"] = 2
    assert not summary(found)["ok"]
    assert "REJECTED   2 with invalid_number" in told(found)


def test_rates_are_changes_over_whole_spans() -> None:
    assert rates([(0, 0), (0.5, 10), (1, 20), (2, 20), (2.5, 50)]) == [(1, 20.0), (2, 0.0)]
    assert rates([]) == []


def test_plots_without_points_say_so() -> None:
    assert "nothing was measured" in lines([Line("x", [])], "s", "n")
    assert "nothing was measured" in bars([], "ms")
    assert "<svg" in lines([Line("x", [(0, 0), (1, 0)])], "s", "n")


@pytest.mark.parametrize(("value", "expected"), [(1, 1), (3, 5), (2.2, 2.5), (70, 100), (0.3, 0.5)])
def test_axes_end_at_round_numbers(value: float, expected: float) -> None:
    assert nice(value) == pytest.approx(expected)
