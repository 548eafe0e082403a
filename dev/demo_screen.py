"""What a person sees of the demo: sentences with the time, bars while it runs, a table at the end. Plain without a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.text import Text

from auditor.audit import Verdict
from auditor.checks import CHECKS, NOT_FINAL
from load.figures import Figures, Seen
from load.run import Result
from load.screen import milliseconds

_PLAIN_EVERY_S: Final = 2.0
_BARS: Final = (
    ("accepted by HTTP", "messages"),
    ("submitted over SMPP", "segments"),
    ("receipts acknowledged", "segments"),
    ("delivered in Postgres", "messages"),
)


class DemoScreen:
    """The demo's console."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._began = time.monotonic()
        self._progress: Progress | None = None
        self._tasks: list[TaskID] = []
        self._told_at = 0.0

    def say(self, sentence: str) -> None:
        """A line with the seconds since the start; above the bars while they are there."""
        stamp = Text(f"{time.monotonic() - self._began:6.1f} s  ", style="dim")
        self._console.print(stamp + Text(sentence), soft_wrap=True)

    @contextmanager
    def progress(self, messages: int, segments: int) -> Iterator[None]:
        """Bars for as long as the traffic lasts."""
        if not self._console.is_terminal:
            yield
            return
        columns = (
            TextColumn("{task.description:<22}"),
            BarColumn(40),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
        )
        with Progress(*columns, console=self._console, refresh_per_second=8) as progress:
            totals = {"messages": messages, "segments": segments}
            self._tasks = [progress.add_task(name, total=totals[unit], unit=unit) for name, unit in _BARS]
            self._progress = progress
            yield
        self._progress = None

    def show(self, figures: Figures, seen: Seen, _phase: str) -> None:
        """A look at the counters."""
        values = (figures.accepted, seen.submitted or 0, seen.receipts or 0, seen.delivered or 0)
        if self._progress is not None:
            for task, value in zip(self._tasks, values, strict=True):
                self._progress.update(task, completed=value)
        elif not self._console.is_terminal and time.monotonic() - self._told_at >= _PLAIN_EVERY_S:
            self._told_at = time.monotonic()
            self.say(", ".join(f"{name} {value:,}" for (name, _), value in zip(_BARS, values, strict=True)))

    def end(self, lines: Sequence[str | Text]) -> None:
        for line in lines:
            self._console.print(line, soft_wrap=True)


def ending(
    summary: dict[str, Any], verdict: Verdict, result: Result, took_s: float, where: Path, well: bool
) -> list[str | Text]:
    """The table of what happened, the auditor's verdict, and what to try next."""
    latency = result.figures.latency
    rate = f"{summary['msgs_per_s']:,.0f} messages a second, from the first request to the last row"
    quantiles = f"{milliseconds(latency.quantile(0.5))} (p50), {milliseconds(latency.quantile(0.99))} (p99)"
    word = Text("All are accounted for" if well else "NOT ALL ARE ACCOUNTED FOR")
    word.stylize("bold green" if well else "bold red")
    return [
        "",
        *(f"{summary[name]:>8,}  {sentence}" for name, sentence in _ROWS.items()),
        "",
        f"  speed   {rate}; the 202 took {quantiles}",
        *(f"  fault   {_fault(fault)}" for fault in summary["faults"]),
        "",
        "The auditor, who knows three books and nothing of the service:",
        *_judged(verdict),
        "",
        word + Text(f", {took_s:.0f} s after the start. {where} has the figures, .local/demo/ the books and logs."),
        "Next: `make run` starts the same without load, and tells how to use it; `make help` lists the rest.",
    ]


_ROWS: Final = {
    "accepted": "messages were answered 202",
    "submitted": "were taken by the carriers, repeats included",
    "distinct_submitted": "different ones of them",
    "receipts_sent": "receipts came from the carriers, one a segment",
    "receipts_acked": "of them were acknowledged, once they were durable",
    "delivered": "rows in Postgres say delivered",
    "in_doubt": "messages were in doubt when bind and dispatcher were lost, and were listed before they were sent again",
    "possible_duplicates": "rows say possible_duplicate",
    "repeats": "segments reached a carrier twice",
    "unlisted_repeats": "of them without being listed",
    "lost": "messages lost",
}


def _fault(fault: dict[str, Any]) -> str:
    whom = fault.get("carrier") or fault.get("process")
    return f"{fault['name']} ({whom}) at {fault['at_s']:.1f} s, mended after {fault['recovery_s']:.1f} s"


def _judged(verdict: Verdict) -> list[str]:
    sentences = {check.name: check.sentence for check in (*CHECKS, NOT_FINAL)}
    lines = []
    for name, number in verdict.faults.items():
        lines.append(f"  {'ok ' if not number else 'BAD'} {number:>6,}  {sentences[name]}")
        lines += [f"              {message}: {what}" for message, what in verdict.offenders.get(name, ())[:5]]
    return lines
