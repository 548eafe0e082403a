"""Messages that may or may not have been sent: their lane's owner, its bind or the answer was lost.

  smpp-dispatch in-doubt list                 what is in doubt now, newest first
  smpp-dispatch in-doubt list --carrier alpha --json
  smpp-dispatch in-doubt list --all           those that have ended, too: were they really sent?
  smpp-dispatch in-doubt resolve ID --action resend --reason "the carrier never got it"

`resending`: the lane sends it again, marked as a possible duplicate; `waiting`, `held` and `dropped`: it does not. What may
happen to a class is set by in_doubt in carriers.toml. docs/runbooks/in-doubt.md tells what to do.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from bus.ports import Entry, TopicPartition
from cli.columns import columns
from cli.command import Context, print_json
from runtime.errors import OperatorError
from runtime.logs import configure_logs
from runtime.settings import Settings
from schemas.codec import encode
from schemas.records import Resolved
from schemas.topics import Topics, intake_partition
from store.rows import StandingRow

HELP = "list messages that may or may not have been sent, and decide about them"


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="what is in doubt now")
    listing.add_argument("--account", help="of this account only")
    listing.add_argument("--carrier", metavar="NAME", help="of this carrier only")
    listing.add_argument("--limit", type=int, default=100, help="most to show, 1 to 500 (100)")
    listing.add_argument("--cursor", help="go on from `next_cursor` of the list before")
    listing.add_argument("--all", action="store_true", help="those whose doubt has ended, too")
    listing.add_argument("--json", action="store_true", help="as JSON, as the HTTP API has it")
    resolve = actions.add_parser("resolve", help="send again, or give up, what waits for evidence or is held")
    resolve.add_argument("ids", metavar="ID", nargs="+", help="as the list shows them")
    resolve.add_argument("--action", dest="decision", choices=("resend", "drop"), required=True, help="what to do")
    resolve.add_argument("--reason", required=True, help="for the audit log")
    resolve.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace, context: Context) -> int:
    configure_logs("error", "in-doubt", str(os.getpid()))
    act = _list if args.action == "list" else _resolve
    return asyncio.run(act(args, context.settings))


async def _resolve(args: argparse.Namespace, settings: Settings) -> int:
    from cli.reading_side import id_of, reads
    from cli.reference import act_of, publish

    wanted = {text: id_of(text, "message") for text in dict.fromkeys(args.ids)}
    async with reads(settings) as side:
        known = await side.messages_by_ids(None, list(wanted.values()))
    act = act_of(args.reason)
    queues: dict[TopicPartition, list[Entry]] = {}
    told = {}
    for text, id in wanted.items():
        found = known.get(id)
        told[text] = _fault_of(found)
        if found is not None and told[text] is None:
            place = TopicPartition(Topics(settings.topic_prefix).intake, intake_partition(id))
            queues.setdefault(place, []).append((id, encode(Resolved(act, id, found.account, args.decision))))
    if queues:
        await publish(settings, queues)
    if args.json:
        print_json([{"id": text, "accepted": fault is None, "error": fault} for text, fault in told.items()])
    else:
        for text, fault in told.items():
            print(f"{text} {fault or f'{args.decision}: in force within seconds'}")
    return 1 if any(told.values()) else 0


def _fault_of(found: StandingRow | None) -> str | None:
    if found is None:
        return "is not known"
    if found.resolvable:
        return None
    return "is being sent again by its lane already" if found.in_doubt else f"is {found.status.label}, and not in doubt"


async def _list(args: argparse.Namespace, settings: Settings) -> int:
    from api.doubt_routes import doubt_view
    from cli.reading_side import reads

    if not 1 <= args.limit <= 500:
        raise OperatorError(f"--limit {args.limit} is wrong", "it is 1 to 500; go on with --cursor")
    async with reads(settings) as side:
        try:
            rows, cursor = await side.list_in_doubt(
                args.account, args.carrier, limit=args.limit, cursor=args.cursor, open_only=not args.all
            )
        except ValueError:
            raise OperatorError("--cursor is not one that this service gave", "take `next_cursor` of a list") from None
    shown = [doubt_view(row).model_dump(mode="json", by_alias=True) for row in rows]
    if args.json:
        print_json({"data": shown, "next_cursor": cursor})
        return 0
    names = ("id", "at", "account", "class", "carrier", "lane", "attempt", "reason", "action", "until", "sent")
    print(columns([name.upper() for name in names], [[each[name] for name in names] for each in shown]))
    if cursor:
        print(f"more: --cursor {cursor}", file=sys.stderr)
    return 0
