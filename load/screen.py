"""What a person sees of a run: a live table on a terminal, else a line every few seconds; and the words of the end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.table import Table

from load.figures import Figures, Histogram, Seen
from load.run import Result
from load.verdict import Verdict

_PLAIN_EVERY_S: Final = 2.0


class Screen:
    """Shows a run on a console. Without a terminal, plain lines."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        self._told_at = time.monotonic()
        self._before: tuple[float, int] = (0.0, 0)
        self._rate = 0.0

    def __enter__(self) -> Screen:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, figures: Figures, seen: Seen, phase: str) -> None:
        """To be called after each look."""
        now = time.monotonic()
        self._measure(now, figures)
        if self._live is not None:
            self._live.update(_table(figures, seen, phase, self._rate))
        elif now - self._told_at >= _PLAIN_EVERY_S:
            self._told_at = now
            self._console.print(_line(figures, seen, phase, self._rate), highlight=False, soft_wrap=True)

    def _measure(self, now: float, figures: Figures) -> None:
        at, accepted = self._before
        if now - at >= 0.4:
            self._rate = (figures.accepted - accepted) / (now - at) if at else 0.0
            self._before = (now, figures.accepted)


def milliseconds(seconds: float) -> str:
    """`1.2 ms`; seconds from ten on."""
    return f"{seconds:,.1f} s" if seconds >= 10 else f"{seconds * 1000:,.1f} ms"


def _facts(figures: Figures, seen: Seen, rate: float) -> list[tuple[str, str]]:
    latency = figures.latency
    facts = [
        ("accepted", f"{figures.accepted:,}"),
        ("now", f"{rate:,.0f} msg/s"),
        ("in flight", f"{figures.in_flight:,}"),
        ("rejected", f"{figures.rejected.total():,}"),
        ("repeated requests", f"{figures.retries:,}"),
        ("p50", milliseconds(latency.quantile(0.5))),
        ("p99", milliseconds(latency.quantile(0.99))),
    ]
    late = figures.late
    if late.count:
        facts.append(("late p99", milliseconds(late.quantile(0.99))))
    for name, value in (
        ("submitted segments", seen.submitted),
        ("receipts", seen.receipts),
        ("queued", seen.backlog),
        ("delivered", seen.delivered),
        ("final", seen.final),
    ):
        if value is not None:
            facts.append((name, f"{value:,}"))
    if seen.lag_s is not None:
        facts.append(("projection lag", milliseconds(seen.lag_s)))
    return facts


def _table(figures: Figures, seen: Seen, phase: str, rate: float) -> Table:
    table = Table.grid(padding=(0, 3))
    table.add_row("[bold]load[/]", f"{phase}, {time.monotonic() - figures.started:,.0f} s")
    for name, value in _facts(figures, seen, rate):
        table.add_row(name, value)
    return table


def _line(figures: Figures, seen: Seen, phase: str, rate: float) -> str:
    facts = "  ".join(f"{name} {value}" for name, value in _facts(figures, seen, rate))
    return f"{time.monotonic() - figures.started:6.1f} s  {phase}: {facts}"


def told(result: Result) -> str:
    """The words at the end of a run."""
    figures = result.figures
    lines = [
        f"accepted   {figures.accepted:,} messages in {figures.elapsed_s:,.2f} s: "
        f"{figures.accepted / figures.elapsed_s:,.0f} msg/s",
        f"latency    {_quantiles(figures.latency)}",
    ]
    if figures.late.count:
        lines.append(f"lateness   {_quantiles(figures.late)}")
    if figures.retries:
        kinds = ", ".join(f"{status} × {number:,}" for status, number in figures.attempts.items() if status != "202")
        lines.append(f"repeated   {kinds}")
    lines += [f"REJECTED   {number:,} with {code}" for code, number in figures.rejected.most_common(10)]
    if figures.unanswered:
        lines.append(
            f"UNANSWERED {figures.unanswered:,}: nobody said whether they were accepted (in the book, id null)"
        )
    if figures.unsent:
        lines.append(f"UNSENT     {figures.unsent:,}: no connection, or refused until patience ended")
    return "\n".join([*lines, *_output(result), *map(_judged, range(len(result.steps)), result.steps)])


def _output(result: Result) -> Sequence[str]:
    seen, lines = result.seen, []
    counts = [("segments submitted", seen.submitted), ("receipts", seen.receipts), ("delivered", seen.delivered)]
    known = [f"{name} {value:,}" for name, value in counts if value is not None]
    if known:
        lines.append("output     " + ", ".join(known))
    if result.final is not None and result.final_s is not None:
        rate = result.figures.accepted / result.final_s
        lines.append(f"end to end {result.final:,} final after {result.final_s:,.2f} s: {rate:,.0f} msg/s")
    elif result.final is not None:
        lines.append(f"NOT FINAL  {result.figures.accepted - result.final:,} of {result.figures.accepted:,} in time")
    return lines


def _judged(number: int, step: Verdict) -> str:
    word = {True: "sustained", False: "NOT SUSTAINED", None: "no verdict"}[step.sustained]
    output = "" if step.output_per_s is None else f", out {step.output_per_s:,.0f} msg/s"
    return f"step {number + 1}     in {step.accepted_per_s:,.0f} msg/s{output}: {word} ({step.reason})"


def _quantiles(latency: Histogram) -> str:
    points = [f"p{name} {milliseconds(latency.quantile(share))}" for name, share in _POINTS]
    return ", ".join([*points, f"most {milliseconds(latency.most_s)}"])


_POINTS: Final = (("50", 0.5), ("90", 0.9), ("99", 0.99), ("99.9", 0.999))
