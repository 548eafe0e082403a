"""The screen of `top`: tables of rich, plain enough for ssh and for a terminal without colours."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas.classes import CLASS_NAMES

_GOOD = ("bound", "active")
_MIDDLING = ("throttled", "binding", "taking", "paused", "draining")


def screen(shown: dict[str, Any], notes: list[str]) -> RenderableType:
    """Everything, top down: totals, carriers, lanes, processes. `notes`: what could not be had."""
    parts: list[RenderableType] = [_totals(shown), _carriers(shown["carriers"]), _lanes(shown["carriers"])]
    if shown["processes"]:
        parts.append(_processes(shown["processes"]))
    parts += [Text(note, style="yellow") for note in notes]
    return Group(*parts)


def _totals(shown: dict[str, Any]) -> Text:
    lag = "?" if shown["projection_lag_s"] is None else f"{shown['projection_lag_s']:g} s"
    line = (
        f"{time.strftime('%H:%M:%S')}  intake {shown['intake_per_s']:.0f}/s (refused {shown['refused_per_s']:.0f}/s)"
        f"  sent {shown['submits_per_s']:.0f}/s  receipts {shown['receipts_per_s']:.0f}/s"
        f"  projection {lag} behind  in doubt {shown['in_doubt']}  unmatched {shown['receipts_unmatched']}"
    )
    return Text(line, style="bold")


def _table(title: str, *names: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for name in names:
        right = name not in ("carrier", "state", "instance", "detail", "url", "role", "ready")
        long = name in ("detail", "ready")
        table.add_column(
            name, justify="right" if right else "left", no_wrap=not long, overflow="fold" if long else "ellipsis"
        )
    return table


def _carriers(carriers: list[dict[str, Any]]) -> Table:
    # A queue and the age of its oldest message, by class.
    names = ("carrier", "state", "binds", "tps", "sent/s", "refused/s", "rcpt/s", *CLASS_NAMES, "p99", "doubt")
    table = _table("carriers", *names)
    for each in carriers:
        waiting = [
            f"{each['queued'][cls]} {each['oldest_s'][cls]:.0f}s" if each["queued"][cls] else "0" for cls in CLASS_NAMES
        ]
        wait = each["accept_to_submit_p99_s"]
        table.add_row(
            each["name"], _state(each["state"]), each["binds"], str(each["tps"]), f"{each['submits_per_s']:.0f}",
            f"{each['refused_per_s']:.0f}", f"{each['receipts_per_s']:.0f}", *waiting, "-" if wait is None else f"<{wait:g}s",
            str(each["in_doubt"]),
        )  # fmt: skip
    return table


def _lanes(carriers: list[dict[str, Any]]) -> Table:
    table = _table("lanes", "carrier", "lane", "state", "rate", "window", "open", "instance", "detail")
    for carrier in carriers:
        for lane in carrier["lanes"]:
            numbers = (lane["window_in_use"], lane["open_records"])
            table.add_row(
                carrier["name"], str(lane["lane"]), _state(lane["state"]), f"{lane['rate_tps']:g}",
                *("-" if number is None else str(number) for number in numbers), lane["instance"] or "-", lane["detail"],
            )  # fmt: skip
    return table


def _processes(processes: list[dict[str, Any]]) -> Table:
    table = _table("processes", "url", "role", "ready", "stall")
    for each in processes:
        ready = Text("yes", style="green") if each["ready"] else Text(each["fault"] or "no", style="red")
        stall = "-" if each["loop_stall_ms"] is None else f"{each['loop_stall_ms']:g} ms"
        table.add_row(each["url"], each["role"] or "-", ready, stall)
    return table


def _state(word: str) -> Text:
    return Text(word, style="green" if word in _GOOD else "yellow" if word in _MIDDLING else "red")
