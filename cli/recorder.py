"""Projects Kafka into Postgres: messages, receipts, doubts, batches, the audit log.

Several recorders share the partitions; positions are in Postgres, so nothing is projected twice. While Postgres is away
they wait, and catch up after.

--rebuild makes the projection anew from the beginning of what Kafka has, into an empty database, and ends when it has
passed what was there at the start. Other recorders may go on meanwhile with another database.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from cli.command import Context, print_json, run_async

HELP = "project Kafka into Postgres"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rebuild", action="store_true", help="project everything anew, then end")
    parser.add_argument("--into", metavar="DSN", help="database to rebuild (default: SMPPD_POSTGRES_DSN)")
    parser.add_argument("--force", action="store_true", help="rebuild a database that is not empty: what it holds goes")
    parser.add_argument("--json", action="store_true", help="print what a rebuild did as JSON")


def run(args: argparse.Namespace, context: Context) -> int:
    """Raises ConfigError, UnavailableError."""
    from recorder.assembly import run_rebuild
    from recorder.process import run_recorder
    from runtime.carriers_file import load_carriers
    from runtime.logs import configure_logs
    from schemas.carriers import CarrierBook

    settings = context.settings
    configure_logs(settings.log_level, "recorder", settings.instance_id)

    def load() -> CarrierBook:
        return load_carriers(settings.carriers_file, context.environ)

    if not args.rebuild:
        return run_async(run_recorder(settings, load))
    done = asyncio.run(run_rebuild(settings, load(), args.into or settings.postgres_dsn, args.force))
    if args.json:
        print_json({"records": done.records, "receipts_waiting": done.waiting})
    else:
        print(f"projected {done.records} records" + (", some receipts wait" if done.waiting else ""), file=sys.stdout)
    return 0
