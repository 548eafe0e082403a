"""The demo's summary has the names of CONTRACT, and its end says plainly whether all are accounted for."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from auditor.audit import Verdict
from dev.demo import Story
from dev.demo_screen import DemoScreen, ending
from load.figures import Figures, Seen
from load.options import Options
from load.run import Result
from tests.unit.auditor.books import Books

NAMES = [
    "accepted", "submitted", "distinct_submitted", "delivered", "receipts_sent", "receipts_acked", "in_doubt",
    "possible_duplicates", "repeats", "unlisted_repeats", "lost", "msgs_per_s", "faults",
]  # fmt: skip


def result(accepted: int = 2) -> Result:
    figures = Figures(1)
    figures.accepted, figures.started, figures.stopped = accepted, 0.0, 1.0
    return Result(Options(("http://127.0.0.1:1",), "k"), None, figures, Seen(), [], 1.0, accepted, 4.0)


def summary(verdict: Verdict) -> dict[str, Any]:
    faults = [{"name": "bind dropped", "at_s": 1.0, "recovery_s": 0.5, "carrier": "alpha"}]
    return Story._sum_up(verdict, result(), faults, 3)


@pytest.fixture
def books(tmp_path: Path) -> Books:
    made = Books(tmp_path)
    made.message("aaaa0001")
    made.message("aaaa0002", "8613800000002")
    return made


def test_the_summary_has_exactly_the_names_of_the_contract(books: Books) -> None:
    found = summary(books.verdict(require_final=True))
    assert list(found) == NAMES
    assert (found["accepted"], found["delivered"], found["lost"], found["in_doubt"]) == (2, 2, 0, 3)
    assert found["msgs_per_s"] == 0.5


def said(verdict: Verdict, well: bool) -> str:
    out = io.StringIO()
    screen = DemoScreen(Console(width=80, file=out, highlight=False))
    screen.end(ending(summary(verdict), verdict, result(), 40.0, Path("var/demo.json"), well))
    return out.getvalue()


def test_the_end_says_that_all_is_well(books: Books) -> None:
    text = said(books.verdict(require_final=True), True)
    assert "All are accounted for, 40 s after the start." in text
    assert "BAD" not in text
    assert "make run" in text


def test_the_end_names_who_is_not_accounted_for(books: Books) -> None:
    books.accept("bbbb0001")
    text = said(books.verdict(require_final=True), False)
    assert "NOT ALL ARE ACCOUNTED FOR" in text
    assert "BAD      1  accepted, and neither submitted nor accounted for" in text
    assert "8613800000001 bbbb0001: no row" in text


def test_without_a_terminal_progress_is_lines(capsys: pytest.CaptureFixture[str]) -> None:
    screen = DemoScreen(Console(force_terminal=False, width=80, highlight=False))
    with screen.progress(10, 12):
        screen.show(Figures(1), Seen(submitted=3, delivered=1), "sending")
    out = capsys.readouterr().out
    assert "submitted over SMPP 3, receipts acknowledged 0, delivered in Postgres 1" in out
    assert "\x1b" not in out
