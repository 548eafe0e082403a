"""API keys, and the keys that seal numbers and texts.

  smpp-dispatch keys create --account shop --scopes send,read     prints the secret, once
  smpp-dispatch keys list
  smpp-dispatch keys revoke ID --reason "left the company"        in force within two seconds
  smpp-dispatch keys account shop --rate 200 --per-day 100000 --reason "as agreed"      quotas of an account; 0: none
  smpp-dispatch keys account shop --suspend --reason "unpaid"                           refuses it, and stops what is queued
  smpp-dispatch keys generate                                     SMPPD_SEAL_KEYS and SMPPD_INDEX_KEY of a new installation

Scopes: send; read (status, numbers masked); read:content (numbers and texts, too); admin (carriers, keys); * (all).
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import sys

import msgspec

from cli.columns import columns
from cli.command import Context, print_json
from runtime.errors import ConfigError
from runtime.logs import configure_logs
from runtime.settings import Settings
from schemas.codec import encode
from schemas.ids import rfc3339
from schemas.records import ApiKey

HELP = "make, list and revoke API keys; generate sealing keys"


def arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = commands.add_parser("create", help="make a key and print its secret, once")
    create.add_argument("--account", required=True, help="the account that it sends for; made if it is new")
    create.add_argument("--name", default="", help="what it is for")
    create.add_argument("--scopes", default="send,read", help="send, read, read:content, admin or * (send,read)")
    create.add_argument("--test", action="store_true", help="a test key: it reaches carriers with test = true only")
    create.add_argument("--reason", default="created by command", help="for the audit log")
    listing = commands.add_parser("list", help="all keys, without their secrets")
    listing.add_argument("--account", help="of this account only")
    revoke = commands.add_parser("revoke", help="end a key")
    revoke.add_argument("id", metavar="ID", help="as `keys list` shows it")
    revoke.add_argument("--reason", required=True, help="for the audit log")
    account = commands.add_parser("account", help="quotas of an account, and whether it may send")
    account.add_argument("account", metavar="NAME")
    account.add_argument("--rate", type=int, metavar="N", help="messages a second at intake; 0: no limit")
    account.add_argument("--per-day", type=int, metavar="N", help="messages a day (UTC); 0: no limit")
    standing = account.add_mutually_exclusive_group()
    standing.add_argument("--suspend", dest="suspended", action="store_true", default=None, help="it may not send")
    standing.add_argument("--restore", dest="suspended", action="store_false", help="it may send again")
    account.add_argument("--reason", default="", help="for the audit log; needed for a change")
    generate = commands.add_parser("generate", help="print SMPPD_SEAL_KEYS and SMPPD_INDEX_KEY of a new installation")
    for command in (create, listing, revoke, account, generate):
        command.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace, context: Context) -> int:
    if args.action == "generate":
        return _generate(args.json)
    configure_logs("error", "keys", str(os.getpid()))
    action = {"create": _create, "list": _list, "revoke": _revoke, "account": _account}[args.action]
    return asyncio.run(action(args, context.settings))


def _generate(as_json: bool) -> int:
    seal, index = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))
    lines = {"SMPPD_SEAL_KEYS": f"1:{seal}", "SMPPD_INDEX_KEY": index}
    if as_json:
        print_json(lines)
    else:
        print("\n".join(f"{name}={value}" for name, value in lines.items()))
    return 0


async def _create(args: argparse.Namespace, settings: Settings) -> int:
    from api.issuing import ID_BYTES, SECRET_BYTES, check_account, issue, scopes_of
    from api.reference import SCOPES
    from cli.reference import act_of, read_reference, write_reference

    try:
        account = check_account(args.account)
    except ValueError as fault:
        raise ConfigError(f"--account {args.account} is wrong", str(fault)) from None
    try:
        scopes = scopes_of(args.scopes)
    except ValueError as fault:
        told = f"--scopes {args.scopes} is wrong ({fault})"
        raise ConfigError(told, f"there are {', '.join(SCOPES)}") from None
    book = await read_reference(settings)
    entropy = os.urandom(SECRET_BYTES + ID_BYTES)
    issued = issue(book, act_of(args.reason), account, args.name, scopes, live=not args.test, entropy=entropy)
    await write_reference(settings, issued.entries)
    if args.json:
        print_json({"secret": issued.secret, **_shown(issued.key)})
    else:
        print(issued.secret)
        print(f"key {issued.key.id} of the account {account}; the secret is not kept, save it now", file=sys.stderr)
    return 0


async def _list(args: argparse.Namespace, settings: Settings) -> int:
    from cli.reference import read_reference

    keys = sorted((await read_reference(settings)).keys(args.account), key=lambda key: (key.account, key.act.at_ms))
    if args.json:
        print_json([_shown(key) for key in keys])
    else:
        rows = [
            (key.id, key.account, "live" if key.live else "test", ",".join(key.scopes), _state(key), key.name)
            for key in keys
        ]
        print(columns(("KEY", "ACCOUNT", "KIND", "SCOPES", "STATE", "NAME"), rows))
    return 0


async def _revoke(args: argparse.Namespace, settings: Settings) -> int:
    from api.issuing import revoke
    from cli.reference import act_of, read_reference, write_reference

    key = (await read_reference(settings)).key(args.id)
    if key is None:
        raise ConfigError(f"no key has the id {args.id}", "`smpp-dispatch keys list` shows them")
    if not key.revoked_ms:
        await write_reference(settings, [revoke(key, act_of(args.reason))])
    if args.json:
        print_json({"id": key.id, "revoked": True, "was_revoked": bool(key.revoked_ms)})
    else:
        print(f"{key.id} is revoked" + (" already" if key.revoked_ms else "; every api refuses it within two seconds"))
    return 0


async def _account(args: argparse.Namespace, settings: Settings) -> int:
    from api.reference import account_key
    from cli.reference import act_of, read_reference, write_reference

    known = (await read_reference(settings)).account(args.account)
    if known is None:
        raise ConfigError(f"there is no account {args.account}", "`keys create --account` makes one with its first key")
    asked = {"rate_per_s": args.rate, "per_day": args.per_day, "suspended": args.suspended}
    changes = {name: value for name, value in asked.items() if value is not None}
    if changes:
        if not args.reason:
            raise ConfigError("--reason is missing", "say why, for the audit log")
        if any(not 0 <= int(value) < 2**31 for value in changes.values()):
            raise ConfigError("a quota is wrong", "it is a number from 0 (no limit) to 2147483647")
        known = msgspec.structs.replace(known, act=act_of(args.reason), **changes)
        await write_reference(settings, [(account_key(args.account), encode(known))])
    shown = {
        "account": known.name,
        "rate_per_s": known.rate_per_s,
        "per_day": known.per_day,
        "suspended": known.suspended,
    }
    if args.json:
        print_json(shown)
    else:
        limits = f"{known.rate_per_s or 'any number'} a second, {known.per_day or 'any number'} a day"
        print(f"{known.name} {'is suspended' if known.suspended else 'may send'}: {limits}")
    return 0


def _state(key: ApiKey) -> str:
    return f"revoked {rfc3339(key.revoked_ms)}" if key.revoked_ms else "in force"


def _shown(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "account": key.account,
        "name": key.name,
        "scopes": list(key.scopes),
        "live": key.live,
        "revoked_at": rfc3339(key.revoked_ms) if key.revoked_ms else None,
    }
