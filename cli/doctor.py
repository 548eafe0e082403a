"""Looks at everything that the service stands on, and says what is wrong and how to mend it.

Settings and keys, carriers.toml, Kafka (version, topics, replicas, ledgers, timeouts), Postgres (schema, partitions, clock),
and this machine (disk, open files, clock, ports, Java). Reads only; it may be run beside a working service, and should be,
with the environment (or --env-file) of the process in question.

Exit code 0: nothing is wrong (there may be warnings); 1: something is.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Awaitable, Callable

from cli.command import Context, print_json
from cli.findings import Finding, as_json, worst
from runtime.errors import OperatorError
from runtime.logs import configure_logs
from schemas.carriers import CarrierBook

HELP = "say what is wrong with the installation, and how to mend it"
SECTIONS = ("settings", "kafka", "postgres", "machine")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", choices=SECTIONS, action="append", help="look at this only; repeatable")
    parser.add_argument("--quiet", action="store_true", help="leave out what is well")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace, context: Context) -> int:
    configure_logs("error", "doctor", str(os.getpid()))
    found = asyncio.run(examine(context, args.only or SECTIONS))
    shown = [finding for finding in found if finding.level != "ok"] if args.quiet else found
    gravest = worst(found)
    if args.json:
        print_json({"ok": gravest != "error", "findings": as_json(shown)})
    else:
        for finding in shown:
            print(finding.line())
        count = sum(finding.level == "error" for finding in found)
        warnings = sum(finding.level == "warning" for finding in found)
        print(f"{count} errors, {warnings} warnings" if count or warnings else "all is well")
    return 1 if gravest == "error" else 0


async def examine(context: Context, sections: tuple[str, ...] | list[str]) -> list[Finding]:
    """All findings, in the order of SECTIONS. Sections run side by side; one that can't look says so."""
    from cli.doctor_machine import machine_findings
    from cli.doctor_settings import settings_findings

    found, settings, book = settings_findings(context)
    looks: dict[str, Callable[[], Awaitable[list[Finding]]]] = {}
    if settings is not None:
        from cli.doctor_kafka import look_at_kafka
        from cli.doctor_postgres import look_at_postgres

        looks["kafka"] = lambda: look_at_kafka(settings, book or CarrierBook())
        looks["postgres"] = lambda: look_at_postgres(settings)
        looks["machine"] = lambda: machine_findings(settings, context.environ)
    wanted = [name for name in SECTIONS if name in sections and name in looks]
    sections_found = await asyncio.gather(*(_look(name, looks[name]) for name in wanted))
    told = found if "settings" in sections or settings is None else []
    return [*told, *(finding for section in sections_found for finding in section)]


async def _look(name: str, look: Callable[[], Awaitable[list[Finding]]]) -> list[Finding]:
    try:
        return await look()
    except OperatorError as fault:
        what, _, remedy = str(fault).partition(": ")
        return [Finding("error", name, what, remedy)]
