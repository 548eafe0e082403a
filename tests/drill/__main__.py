"""Runs drills: a line as each ends, a table, var/drill.json. Exit code 0: every promise held."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from runtime.logs import configure_logs
from tests.drill.apart import APART
from tests.drill.carriers import LONG_DRAIN
from tests.drill.faults import FAULTS, LONG_FLOOD, Drill, receipt_flood
from tests.drill.stage import Outcome, stage

SUMMARY: Final = Path(__file__).resolve().parents[2] / "var" / "drill.json"


def main() -> int:
    args = _arguments()
    configure_logs("error", "drill", "drill")
    console = Console(width=150)
    began = time.monotonic()
    faults = {**FAULTS, "receipt-flood": receipt_flood(LONG_FLOOD)} if args.long else FAULTS
    apart = {**APART, "drain-and-return": LONG_DRAIN} if args.long else APART
    outcomes: list[Outcome] = []
    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):  # what it had started is stopped by then
        asyncio.run(_run(args.fault, faults, apart, args.seed, console, outcomes))
    ok = len(outcomes) == len(args.fault) and all(outcome.ok for outcome in outcomes)
    SUMMARY.parent.mkdir(exist_ok=True)
    found = {"seed": args.seed, "faults": [outcome.as_json() for outcome in outcomes], "ok": ok}
    SUMMARY.write_text(json.dumps(found, indent=2) + "\n")
    console.print(_table(outcomes, args.seed, time.monotonic() - began))
    if len(outcomes) < len(args.fault):
        console.print(
            f"stopped by Ctrl-C: {len(args.fault) - len(outcomes)} of {len(args.fault)} faults were not played"
        )
        return 130
    return 0 if ok else 1


def _arguments() -> argparse.Namespace:
    names = [*FAULTS, *APART]
    parser = argparse.ArgumentParser(prog="python -m tests.drill", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="order of the faults, and the simulator's dice (1)")
    parser.add_argument("--fault", default="", help="only these, with commas")
    parser.add_argument(
        "--long", action="store_true", help="a flood of a million receipts, and a million messages drained"
    )
    parser.add_argument("--list", action="store_true", help="the names, and end")
    args = parser.parse_args()
    if args.list:
        print("\n".join(names))
        sys.exit(0)
    args.fault = [name for name in args.fault.split(",") if name] or shuffled(names, args.seed)
    if wrong := [name for name in args.fault if name not in names]:
        parser.error(f"there is no fault {wrong[0]}; --list shows them")
    return args


def shuffled(names: Sequence[str], seed: int) -> list[str]:
    """Another order for each seed: what one fault leaves behind meets another one."""
    mixed = list(names)
    random.Random(seed).shuffle(mixed)
    return mixed


async def _run(
    names: Sequence[str],
    faults: Mapping[str, Drill],
    apart: Mapping[str, Callable[[int], Awaitable[Outcome]]],
    seed: int,
    console: Console,
    outcomes: list[Outcome],
) -> None:
    """Adds each outcome as it is there."""

    def told(outcome: Outcome) -> None:
        outcomes.append(outcome)
        word = "[red]FAILED[/red]" if not outcome.ok else "skipped" if outcome.skipped else "[green]ok[/green]"
        console.print(
            f"{len(outcomes):3} {word} {outcome.name} ({outcome.seconds:.0f} s)",
            *filter(None, (outcome.skipped, *outcome.notes)),
            sep="\n      ",
        )

    together = [name for name in names if name in FAULTS]
    if together:
        async with stage(seed) as one:
            for name in together:
                told(await one.play(name, faults[name]))
    for name in names:
        if name in apart:
            try:
                told(await apart[name](seed))
            except Exception as fault:
                # A stage that was not set up is no reason to leave the other drills out.
                told(Outcome(name, notes=[f"{type(fault).__name__}: {fault}"[:300]]))


def _table(outcomes: Sequence[Outcome], seed: int, seconds: float) -> Table:
    columns = (
        "fault", "accepted", "lost", "in doubt", "a lane", "exposure", "resent", "repeats", "unlisted",
        "receipts lost", "recovery", "ok",
    )  # fmt: skip
    table = Table(*columns, title=f"drills with seed {seed}, {seconds:.0f} s")
    for one in outcomes:
        table.add_row(
            one.name, f"{one.accepted:,}", str(one.lost), str(one.in_doubt), str(one.in_doubt_max_per_lane), str(one.exposure),
            str(one.resent), str(one.repeats), str(one.unlisted_repeats), str(one.receipts_lost), f"{one.recovery_s:.1f} s",
            "skipped" if one.skipped else "yes" if one.ok else "NO",
        )  # fmt: skip
    return table


if __name__ == "__main__":
    sys.exit(main())
