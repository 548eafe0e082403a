"""The report of a run as one HTML file: plots, tables, what was asked. No scripts, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Final

from load.figures import Histogram, Sample
from load.plots import Line, bars, lines, rates
from load.run import Result
from load.screen import milliseconds, told
from runtime.errors import UnavailableError

STYLE: Final = """
:root{--ink:#1c2430;--soft:#667085;--grid:#e4e7ec;--page:#fff;--c0:#2563eb;--c1:#ea580c;--c2:#059669;--c3:#9333ea;--bad:#b42318}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ef;--soft:#98a2b3;--grid:#303846;--page:#12161d;--c0:#60a5fa;--c1:#fb923c;
--c2:#34d399;--c3:#c084fc;--bad:#f97066}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);max-width:900px;margin:2em auto;padding:0 1em}
h1{font-size:1.5em}h2{font-size:1.1em;margin-top:2em}pre{overflow:auto;padding:.8em;border:1px solid var(--grid);border-radius:6px}
table{border-collapse:collapse;width:100%}td,th{padding:.3em .7em;border-bottom:1px solid var(--grid);text-align:right}
td:first-child,th:first-child,td:last-child,th:last-child{text-align:left}svg{width:100%;height:auto}.grid{stroke:var(--grid)}
.tick,.label{fill:var(--soft);font-size:11px}.curve{fill:none;stroke-width:1.8}.bar{fill:var(--c0)}
.curve.c0{stroke:var(--c0)}.curve.c1{stroke:var(--c1)}.curve.c2{stroke:var(--c2)}.curve.c3{stroke:var(--c3)}
.key{margin-right:1.2em}.key:before{content:"";display:inline-block;width:1em;height:.25em;margin-right:.4em;vertical-align:middle}
.key.c0:before{background:var(--c0)}.key.c1:before{background:var(--c1)}.key.c2:before{background:var(--c2)}
.key.c3:before{background:var(--c3)}.none{color:var(--soft)}.bad{color:var(--bad);font-weight:600}
"""


def write_report(path: str, result: Result) -> None:
    """Raises UnavailableError when the file can't be written."""
    try:
        Path(path).write_text(html(result))
    except OSError as fault:
        raise UnavailableError(f"can't write the report {path}", fault.strerror or str(fault)) from None


def html(result: Result) -> str:
    """The whole page."""
    options, figures = result.options, result.figures
    asked = f"{options.mode}, {options.size:,} message{'s' * (options.size > 1)} a request, {options.connections} connections"
    loop = "open loop" if options.is_open else "closed loop"
    stands = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    parts = [
        f"<h1>Load: {figures.accepted:,} messages accepted</h1><p>{escape(asked)}, {loop}; {stands}</p>",
        f"<pre>{escape(told(result))}</pre>",
        _section("Throughput", lines(_throughput(figures.samples, result.segments), "seconds", "messages a second")),
        _section("Under way", lines(_under_way(figures.samples), "seconds", "messages")),
        _section("Lag of the projection", lines(_lag(figures.samples), "seconds", "seconds")),
        _section("Latency of the 202", bars(_in_ms(figures.latency), "milliseconds")),
        _section("Lateness against the plan", bars(_in_ms(figures.late), "milliseconds")) if figures.late.count else "",
        _section("Steps", _steps(result)),
    ]
    head = f"<meta charset='utf-8'><title>Load report</title><style>{STYLE}</style>"
    return f"<!doctype html><html lang='en'><head>{head}</head><body>{''.join(parts)}</body></html>"


def _section(title: str, inside: str) -> str:
    return f"<h2>{escape(title)}</h2>{inside}"


def _series(samples: Sequence[Sample], value: Callable[[Sample], float | None]) -> list[tuple[float, float]]:
    found = ((sample.at_s, value(sample)) for sample in samples)
    return [(at_s, number) for at_s, number in found if number is not None]


def _throughput(samples: Sequence[Sample], segments: float | None) -> Iterable[Line]:
    share = 1 / (segments or 1.0)
    submitted = "submitted" if segments else "segments submitted"
    return (
        Line("accepted", rates(_series(samples, lambda sample: sample.accepted))),
        Line(submitted, rates(_series(samples, lambda sample: _times(sample.seen.submitted, share)))),
        Line("final", rates(_series(samples, lambda sample: sample.seen.final))),
    )


def _under_way(samples: Sequence[Sample]) -> Iterable[Line]:
    def not_final(sample: Sample) -> float | None:
        return None if sample.seen.final is None else max(0, sample.accepted - sample.seen.final)

    return (
        Line("accepted, not final", _series(samples, not_final)),
        Line("in the lanes' queues", _series(samples, lambda sample: sample.seen.backlog)),
    )


def _lag(samples: Sequence[Sample]) -> Iterable[Line]:
    return (Line("projection lag", _series(samples, lambda sample: sample.seen.lag_s)),)


def _times(value: int | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _in_ms(histogram: Histogram) -> list[tuple[float, float, int]]:
    return [(begin * 1000, end * 1000, count) for begin, end, count in histogram.buckets()]


def _steps(result: Result) -> str:
    asked = [step.rate for step in result.schedule.steps] if result.schedule else [None]
    rows = []
    for rate, verdict, step in zip(asked, result.steps, result.figures.steps, strict=False):
        word = {True: "sustained", False: "<span class='bad'>not sustained</span>", None: "no verdict"}
        output = "–" if verdict.output_per_s is None else f"{verdict.output_per_s:,.0f}"
        cells = [
            "as fast as answered" if rate is None else f"{rate:,.0f}",
            f"{verdict.accepted_per_s:,.0f}",
            output,
            *(milliseconds(step.latency.quantile(share)) for share in (0.5, 0.99)),
            milliseconds(step.late.quantile(0.99)) if step.late.count else "–",
            f"{word[verdict.sustained]}: {escape(verdict.reason)}",
        ]
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    names = ("asked, msg/s", "accepted, msg/s", "out, msg/s", "p50", "p99", "late p99", "verdict")
    return f"<table><tr>{''.join(f'<th>{name}</th>' for name in names)}</tr>{''.join(rows)}</table>"
