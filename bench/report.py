"""What was measured, for people: the lines of the table, and a page with plots that opens anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from bench.compare import settings_of
from load.plots import Line, bars, lines, rates
from load.report import STYLE

Row = tuple[str, str, str]
_COSTS: Final = ("api", "dispatcher", "recorder", "kafka", "postgres", "simulator", "load")


def lines_of(found: Mapping[str, Any]) -> Iterator[Row]:
    """What, how much, and the goal, in the order of the table."""
    for name in ("bulk", "bulk_exposure_50"):
        if row := found.get(name):
            what = f"bulk, {_layout(row)}: {row['messages']:,} to delivered rows"
            yield what, f"{row['msgs_per_s']:,.0f} msg/s", "20,000"
            yield "    CPU a message", _costs(row["cpu_us_per_msg"]), "100 µs in all"
    for name, how in (("single", ""), ("single_keyed", ", each with an Idempotency-Key"), ("single_one_carrier", "")):
        if row := found.get(name):
            what = f"single{how}, 64 connections, {_layout(row)}, to delivered rows"
            yield what, f"{row['msgs_per_s']:,.0f} msg/s", "8,000"
            yield "    the 202", f"p50 {row['p50_ms']} ms, p99 {row['p99_ms']} ms", "p99 < 50 ms"
            yield "    CPU a message", _costs(row["cpu_us_per_msg"]), ""
    if row := found.get("latency"):
        yield "unloaded: 202 to submit_sm, p99", f"{row['accept_to_submit_p99_ms']} ms", "< 20 ms"
        yield "unloaded: submit_sm_resp to row, p99", f"{row['resp_to_row_p99_ms']} ms", "< 250 ms"
    alone = found.get("bind", {})
    for kind in ("receipts", "no_receipts"):
        if row := alone.get(kind):
            ratio = row["ours_per_s"] / max(1, row["smpp34_per_s"])
            others = f"smpp34 {row['smpp34_per_s']:,}, aiosmpplib {row['aiosmpplib_per_s']:,}"
            told = f"{row['ours_per_s']:,}/s ({others}): {ratio:.1f} x smpp34"
            yield (
                f"one bind, window {alone['settings']['window']}, {kind.replace('_', ' ')}",
                told,
                "100,000; 5 x smpp34" if kind == "receipts" else "5 x",
            )
    if row := found.get("backlog"):
        what = f"dispatcher's CPU, {row['queued']:,} queued to {row['against']:,}, {_layout(row)}"
        yield what, f"{row['cpu_ratio_10m_to_10k']:.2f} x", "1.1 x at 10 M"
    if row := found.get("scale"):
        told = ", ".join(f"{number}: {each['msgs_per_s']:,.0f}" for number, each in row.items())
        yield f"dispatchers and recorders, {_layout(row['1'])}", told, "no loss of total"
    if row := found.get("rss_mb"):
        ours = {role: used for role, used in row.items() if role not in ("kafka", "postgres", "simulator")}
        yield "memory, most of a process", ", ".join(f"{role} {used:.0f} MB" for role, used in ours.items()), "< 200 MB"


def _layout(row: Mapping[str, Any]) -> str:
    """What a row ran with, as far as rows differ in it."""
    carriers, lanes, window, exposure, partitions = (
        row["settings"][name] for name in ("carriers", "lanes", "window", "exposure", "partitions")
    )
    bounds = f"window and exposure {window}" if window == exposure else f"window {window}, exposure {exposure:,}"
    return f"{carriers} carrier{'s' if carriers > 1 else ''} × {lanes} lanes, {bounds}, {partitions} partitions"


def _costs(costs: Mapping[str, float]) -> str:
    parts = [f"{role} {costs[role]:.0f}" for role in _COSTS if role in costs]
    return f"{sum(costs.values()):.0f} µs: {', '.join(parts)}"


def html(found: Mapping[str, Any]) -> str:
    """The page."""
    rows = "".join(
        f"<tr><td>{escape(what)}</td><td>{escape(measured)}</td><td>{escape(goal)}</td></tr>"
        for what, measured, goal in lines_of(found)
    )
    settings = "".join(
        f"<tr><td>{escape(name)}</td><td>{_listed(each)}</td></tr>" for name, each in settings_of(found) if name
    )
    return (
        f"<!doctype html><meta charset='utf-8'><title>smpp-dispatch bench</title><style>{STYLE}</style>"
        f"<h1>smpp-dispatch, measured</h1><p>{_listed(found['machine'])}</p><p>{_listed(found['settings'])}</p>"
        f"<table><tr><th>what</th><th>measured</th><th>goal</th></tr>{rows}</table>"
        f"<h2>what each ran with</h2><table>{settings}</table>{''.join(_plots(found))}"
    )


def _listed(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{escape(str(name))} {escape(str(value))}" for name, value in facts.items())


def _plots(found: Mapping[str, Any]) -> Iterator[str]:
    for name in ("bulk", "bulk_exposure_50"):
        series = found.get(name, {}).get("series")
        if series:
            curves = [Line(each, rates(points)) for each, points in series.items()]
            yield f"<h2>{name}: throughput</h2>{lines(curves, 'seconds', 'a second')}"
            final = dict(series.get("final", []))
            behind = [(at_s, accepted - final[at_s]) for at_s, accepted in series["accepted"] if at_s in final]
            yield f"<h2>{name}: accepted and not final yet</h2>{lines([Line('under way', behind)], 'seconds', 'messages')}"
    if histogram := found.get("single", {}).get("histogram"):
        yield f"<h2>single: latency of the 202</h2>{bars(histogram, 'ms')}"
