"""The measured claims in one command: a table, var/bench.json and var/bench.html.

    python -m bench                        every row but scale, in a quarter of an hour
    python -m bench --only bulk,single     some of them
    python -m bench --quick                a tenth of the messages: whether it works, not how fast it is
    python -m bench --full                 ten million messages queued instead of 300,000: an hour

Everything is on this machine and durable: acks=all, Postgres with fsync, receipts acknowledged after Kafka. The figures are of
this machine at this moment: compare ratios within a run (`loop_ms`, a fixed piece of Python, tells how fast it was).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import time
import timeit
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import uvloop
from rich.console import Console
from rich.table import Table

from bench import report, rows
from bench.stack import DURABLE, Layout
from runtime import compiled

VAR: Final = Path(__file__).resolve().parents[1] / "var"
NARROW: Final = Layout(window=50)
"""A common contract, and everything else by default."""
WIDE: Final = Layout(window=200, exposure=1000)
"""More in doubt after a crash (DESIGN 5, rule 3), and fewer commits a message: a trade that has to be said."""
SMALL: Final = Layout(window=200, exposure=1000, partitions=2)
"""As for a machine of two cores: a partition for each lane and no more, since each costs its share of a flush. Two lanes for
ever is what that costs."""
ONE: Final = replace(SMALL, carriers=1)
"""The least that can be run: tells what several carriers cost beside it."""
NAMES: Final = ("bulk", "single", "latency", "bind", "backlog", "scale")
BY_DEFAULT: Final = ("bulk", "single", "latency", "bind", "backlog")


def main() -> int:
    args = _arguments()
    console = Console()
    factor = 0.1 if args.quick else 1.0
    found: dict[str, Any] = {"machine": machine(), "settings": dict(DURABLE), "label": args.label}
    began = time.monotonic()
    for name in args.only:
        console.print(f"{time.monotonic() - began:6.0f} s  measuring {name}")
        measured = _measure(name, factor, args.full)
        found |= measured
    found["rss_mb"] = _most_memory(found)
    VAR.mkdir(exist_ok=True)
    (VAR / "bench.json").write_text(json.dumps(_without_plots(found), indent=2) + "\n")
    (VAR / "bench.html").write_text(report.html(found))
    console.print(_table(found))
    console.print("var/bench.json has the figures, var/bench.html the plots")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(BY_DEFAULT), help=f"rows, of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="a tenth of the messages")
    parser.add_argument("--full", action="store_true", help="ten million messages queued, as the goals name")
    parser.add_argument("--label", default="", help="kept in var/bench.json: what was changed")
    args = parser.parse_args()
    args.only = [name.strip() for name in args.only.split(",")]
    if wrong := [name for name in args.only if name not in NAMES]:
        parser.error(f"--only {wrong[0]}: there are {', '.join(NAMES)}")
    return args


def _measure(name: str, factor: float, full: bool) -> dict[str, Any]:
    works: dict[str, Callable[[], Coroutine[Any, Any, dict[str, Any]]]] = {
        "bulk": lambda: _bulk(round(1_000_000 * factor)),
        "single": lambda: _single(round(200_000 * factor)),
        "latency": lambda: _named("latency", rows.latency(round(600 * factor))),
        "backlog": lambda: _named(
            "backlog", rows.backlog(WIDE, 10_000, 10_000_000 if full else round(300_000 * factor))
        ),
        "scale": lambda: _named("scale", rows.scale(WIDE, round(100_000 * factor))),
    }
    if name == "bind":
        return {"bind": rows.bind_alone(3 if factor == 1 else 1)}
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as the load tool has it
        return runner.run(works[name]())


async def _bulk(count: int) -> dict[str, Any]:
    return {"bulk": await rows.bulk(SMALL, count), "bulk_exposure_50": await rows.bulk(NARROW, count // 2)}


async def _single(count: int) -> dict[str, Any]:
    return {
        "single": await rows.single(SMALL, count),
        "single_keyed": await rows.single(SMALL, count // 2, keyed=True),
        "single_one_carrier": await rows.single(ONE, count // 2),
    }


async def _named(name: str, work: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    return {name: await work}


def machine() -> dict[str, Any]:
    """What the figures were taken on. `loop_ms`: best of ten of a million turns of a Python loop."""
    loop_s = min(timeit.repeat("for i in range(1000000): n += i", "n = 0", number=1, repeat=10))
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1),
        "processor": _processor(),
        "python": platform.python_version(),
        "compiled": compiled.state,
        "kernel": platform.release(),
        "loop_ms": round(loop_s * 1000, 1),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _most_memory(found: dict[str, Any]) -> dict[str, float]:
    most: dict[str, float] = {}
    backlog = found.get("backlog", {})
    for row in (
        found.get("bulk", {}),
        found.get("bulk_exposure_50", {}),
        backlog.get("short", {}),
        backlog.get("long", {}),
    ):
        for role, used in row.get("rss_mb", {}).items():
            most[role] = max(most.get(role, 0.0), used)
    return most


def _without_plots(found: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {key: each for key, each in row.items() if key not in ("series", "histogram")}
        if isinstance(row, dict)
        else row
        for name, row in found.items()
    }


def _table(found: dict[str, Any]) -> Table:
    told = Table(
        "what", "measured", "goal", title=f"{found['machine']['processor']}, {found['machine']['cores']} cores"
    )
    for what, measured, goal in report.lines_of(found):
        told.add_row(what, measured, goal)
    return told


if __name__ == "__main__":
    sys.exit(main())
