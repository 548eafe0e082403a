"""Brings the database's schema up to this release.

Revisions are `pre` (run before the new release starts) or `post` (run when no process of the old one is left). Without
--phase all are applied: right for a first installation and whenever everything was stopped.
"""

from __future__ import annotations

import argparse
import asyncio

from cli.command import Context, print_json

HELP = "bring the database's schema up to this release"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--phase", choices=("pre", "post", "all"), default="all", help="which revisions (default: all)")
    parser.add_argument("--json", action="store_true", help="print what was applied as JSON")


def run(args: argparse.Namespace, context: Context) -> int:
    """Raises UnavailableError without Postgres, ConfigError when revisions of the other phase come first."""
    from migrations import runner

    steps = asyncio.run(runner.migrate(context.settings.postgres_dsn, args.phase))
    if args.json:
        print_json({"applied": runner.describe(steps)})
        return 0
    for step in steps:
        print(f"applied {step.number} ({step.phase}): {step.title}")
    if not steps:
        print("nothing to do: the database is up to date")
    return 0
