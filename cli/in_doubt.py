"""Messages that may or may not have been sent: their lane's owner, its bind or the answer was lost.

  smpp-dispatch in-doubt list                 what is in doubt now, newest first
  smpp-dispatch in-doubt list --carrier alpha --json

`resending`: the lane sends it again, marked as a possible duplicate; `waiting`, `held` and `dropped`: it does not. What may
happen to a class is set by in_doubt in carriers.toml. docs/runbooks/in-doubt.md tells what to do.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from cli.columns import columns
from cli.command import Context, print_json
from runtime.errors import OperatorError
from runtime.logs import configure_logs
from runtime.settings import Settings

HELP = "list messages that may or may not have been sent"


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="what is in doubt now")
    listing.add_argument("--account", help="of this account only")
    listing.add_argument("--carrier", metavar="NAME", help="of this carrier only")
    listing.add_argument("--limit", type=int, default=100, help="most to show, 1 to 500 (100)")
    listing.add_argument("--cursor", help="go on from `next_cursor` of the list before")
    listing.add_argument("--json", action="store_true", help="as JSON, as the HTTP API has it")


def run(args: argparse.Namespace, context: Context) -> int:
    configure_logs("error", "in-doubt", str(os.getpid()))
    return asyncio.run(_list(args, context.settings))


async def _list(args: argparse.Namespace, settings: Settings) -> int:
    from api.doubt_routes import doubt_view
    from cli.reading_side import reads

    if not 1 <= args.limit <= 500:
        raise OperatorError(f"--limit {args.limit} is wrong", "it is 1 to 500; go on with --cursor")
    async with reads(settings) as side:
        try:
            rows, cursor = await side.list_in_doubt(args.account, args.carrier, limit=args.limit, cursor=args.cursor)
        except ValueError:
            raise OperatorError("--cursor is not one that this service gave", "take `next_cursor` of a list") from None
    shown = [{"account": row.account, **doubt_view(row).model_dump(mode="json", by_alias=True)} for row in rows]
    if args.json:
        print_json({"data": shown, "next_cursor": cursor})
        return 0
    names = ("id", "at", "account", "class", "carrier", "lane", "attempt", "reason", "action", "until")
    print(columns([name.upper() for name in names], [[each[name] for name in names] for each in shown]))
    if cursor:
        print(f"more: --cursor {cursor}", file=sys.stderr)
    return 0
