"""`python -m auditor`: exit code 0 when the books agree, 1 when they don't or can't be read, 2 for wrong usage."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

import asyncpg

from auditor.audit import Verdict, audit
from auditor.books import BadBook
from auditor.checks import CHECKS, NOT_FINAL


def main(argv: list[str] | None = None) -> int:
    """Runs the audit that the command line asks for."""
    args = _parser().parse_args(argv)
    try:
        verdict = asyncio.run(
            audit(
                args.book,
                args.journal,
                args.dsn,
                receipts=args.receipts,
                packed=args.packed,
                require_final=args.require_final,
            )
        )
    except BadBook as fault:
        print(f"auditor: {fault}", file=sys.stderr)
        return 1
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
        print(f"auditor: Postgres can't be read: {fault}", file=sys.stderr)
        return 1
    print(json.dumps(verdict.as_json(), indent=2) if args.json else told(verdict))
    return 0 if verdict.ok else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("auditor", description="Compares the client's book, the journals and Postgres.")
    parser.add_argument("--book", required=True, metavar="FILE", help="the client's book")
    parser.add_argument("--journal", required=True, action="append", metavar="FILE", help="a simulator's; repeatable")
    parser.add_argument("--dsn", required=True, help="Postgres with the view audit_messages")
    parser.add_argument(
        "--receipts", choices=("each", "first", "last"), default="each", help="which segments get a receipt (each)"
    )
    parser.add_argument(
        "--packed", action="append", default=[], metavar="SYSTEM_ID", help="its data_coding 0 is packed septets"
    )
    parser.add_argument("--require-final", action="store_true", help="every accepted message must be over")
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")
    return parser


def told(verdict: Verdict) -> str:
    """The verdict as a table: figures, then faults with their first offenders."""
    sentences = {check.name: check.sentence for check in (*CHECKS, NOT_FINAL)}
    lines = [f"{name.replace('_', ' '):<28}{number:>12,}" for name, number in verdict.counts.items()]
    lines.append("")
    for name, number in verdict.faults.items():
        mark = "ok  " if not number else "BAD "
        lines.append(f"{mark}{name.replace('_', ' '):<28}{number:>8,}  {sentences[name]}")
    for name, found in verdict.offenders.items():
        lines += ["", f"{name.replace('_', ' ')}, the first {len(found)} of {verdict.faults[name]:,}:"]
        lines += [f"  {message:<32} {what}" for message, what in found]
    return "\n".join([*lines, "", "the books agree" if verdict.ok else "THE BOOKS DO NOT AGREE"])


if __name__ == "__main__":
    sys.exit(main())
