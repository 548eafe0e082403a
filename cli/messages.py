"""What became of messages, straight from Postgres: works without the api.

  smpp-dispatch messages get ID                        one message, with its attempts and timeline
  smpp-dispatch messages list --status failed          newest first
  smpp-dispatch messages list --account shop --to +8613800000000

Numbers are masked and texts left out. --content shows them, needs SMPPD_SEAL_KEYS, and is logged. A message that was accepted
a moment ago may not be there yet: the recorder brings it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

from cli.columns import columns
from cli.command import Context, print_json
from runtime.errors import OperatorError
from runtime.logs import configure_logs
from runtime.settings import Settings

if TYPE_CHECKING:
    from api.views import MessageView
    from store.rows import MessageFilter

HELP = "what became of messages, straight from Postgres"
STATUSES = (
    "held", "scheduled", "queued", "sent", "unknown", "delivered", "undelivered", "expired", "failed", "blocked", "canceled",
)  # fmt: skip


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    get = actions.add_parser("get", help="one message, with its attempts and timeline")
    get.add_argument("id", metavar="ID")
    listing = actions.add_parser("list", help="messages, newest first; all filters must hold")
    listing.add_argument("--status", choices=STATUSES)
    listing.add_argument("--class", dest="cls", choices=("otp", "notice", "marketing"))
    listing.add_argument("--carrier", metavar="NAME")
    listing.add_argument("--to", metavar="NUMBER", help="a destination; needs --account and SMPPD_INDEX_KEY")
    listing.add_argument("--client-ref", metavar="REF")
    listing.add_argument("--batch", metavar="ID")
    listing.add_argument("--tag")
    listing.add_argument("--from", dest="from_", metavar="TIME", help="accepted at or after, as 2026-01-31T12:00:00Z")
    listing.add_argument("--until", metavar="TIME", help="accepted before")
    listing.add_argument("--limit", type=int, default=50, help="most messages to show, 1 to 500 (50)")
    listing.add_argument("--cursor", help="go on from `next_cursor` of the list before")
    for action in (get, listing):
        action.add_argument("--account", help="of this account only")
        action.add_argument("--content", action="store_true", help="show numbers and texts; it is logged")
        action.add_argument("--json", action="store_true", help="as JSON, as the HTTP API has it")


def run(args: argparse.Namespace, context: Context) -> int:
    configure_logs("warning" if args.content else "error", "messages", str(os.getpid()))
    return asyncio.run((_get if args.action == "get" else _list)(args, context.settings))


async def _get(args: argparse.Namespace, settings: Settings) -> int:
    from api.views import view_of
    from cli.reading_side import id_of, opener, reads

    wanted = id_of(args.id, "message")
    keys = opener(settings, args.content, f"messages get {args.id}")
    async with reads(settings) as side:
        row = await side.get_message(args.account, wanted)
    if row is None:
        raise OperatorError(f"no message has the id {args.id}", "if it was accepted a moment ago, ask again: see `top`")
    view = view_of(row, keys.sealer, keys.full)
    if args.json:
        print_json({"account": row.account, **view.model_dump(mode="json", by_alias=True)})
    else:
        _show(row.account, view)
    return 0


def _show(account: str, view: MessageView) -> None:
    shown = view.model_dump(mode="json", by_alias=True)
    final = "final" if shown["is_final"] else "not final"
    print(f"{shown['id']}  {shown['class']}  {shown['status']} ({final})  account {account}")
    print(f"  to {shown['to'] or '(sealed)'} from {shown['sender'] or '(sealed)'} by {shown['carrier']}, ", end="")
    print(f"{shown['segments']} segments, {shown['encoding']}")
    for name in ("text", "client_ref", "batch_id", "accepted_at", "expires_at", "updated_at"):
        if shown[name]:
            print(f"  {name:<12} {shown[name]}")
    if shown["error"]:
        fault = shown["error"]
        told = ", ".join(str(each) for each in (fault["carrier_status"], fault["carrier_error"]) if each)
        print(
            f"  {'error':<12} {fault['code']}: {fault['detail']} ({told or 'no code of the carrier'}; mender: {fault['mender']})"
        )
    for name in ("possible_duplicate", "in_doubt"):
        if shown[name]:
            print(f"  {name:<12} yes")
    for attempt in shown["attempts"]:
        parts = ", ".join(f"{part['smsc_message_id'] or '(no id)'} {part['state'] or '-'}" for part in attempt["parts"])
        print(f"  attempt {attempt['n']:<4} {attempt['carrier']}: {parts}")
    for event in shown["timeline"]:
        data = " ".join(f"{key}={value}" for key, value in event["data"].items())
        print(f"  {event['at']}  {event['type']}  {data}".rstrip())


async def _list(args: argparse.Namespace, settings: Settings) -> int:
    from api.views import summary_of
    from cli.reading_side import opener, reads

    if not 1 <= args.limit <= 500:
        raise OperatorError(f"--limit {args.limit} is wrong", "it is 1 to 500; go on with --cursor")
    wanted = _filter(args, settings)
    keys = opener(settings, args.content, "messages list")
    async with reads(settings) as side:
        try:
            rows, cursor = await side.list_messages(args.account, wanted, args.cursor, args.limit)
        except ValueError:
            raise OperatorError("--cursor is not one that this service gave", "take `next_cursor` of a list") from None
    shown = [
        {"account": row.account, **summary_of(row, keys.sealer, keys.full).model_dump(mode="json", by_alias=True)}
        for row in rows
    ]
    if args.json:
        print_json({"data": shown, "next_cursor": cursor})
        return 0
    print(columns(_HEADER, [_row(each) for each in shown]))
    if cursor:
        print(f"more: --cursor {cursor}", file=sys.stderr)
    return 0


_HEADER = ("ID", "ACCEPTED", "ACCOUNT", "CLASS", "STATUS", "CARRIER", "TO", "ERROR", "NOTES")


def _row(shown: dict[str, Any]) -> tuple[object, ...]:
    notes = [name for name in ("in_doubt", "possible_duplicate") if shown[name]]
    return (
        shown["id"], shown["accepted_at"], shown["account"], shown["class"], shown["status"], shown["carrier"], shown["to"],
        shown["error"]["code"] if shown["error"] else "", ",".join(notes),
    )  # fmt: skip


def _filter(args: argparse.Namespace, settings: Settings) -> MessageFilter:
    from cli.reading_side import id_of, index_of, millis_of
    from schemas.classes import CLASS_NUMBERS
    from schemas.status import STATUS_BY_LABEL
    from store.rows import MessageFilter

    return MessageFilter(
        status=STATUS_BY_LABEL[args.status] if args.status else None,
        cls=CLASS_NUMBERS[args.cls] if args.cls else None,
        carrier=args.carrier,
        destination_index=index_of(settings, args.account, args.to) if args.to else None,
        client_ref=args.client_ref,
        batch=id_of(args.batch, "batch") if args.batch else None,
        tag=args.tag,
        from_ms=millis_of(args.from_, "--from"),
        until_ms=millis_of(args.until, "--until"),
    )
