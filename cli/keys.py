"""API keys, and the keys that seal numbers and texts.

  smpp-dispatch keys create --account shop --scopes send,read     prints the secret, once
  smpp-dispatch keys list
  smpp-dispatch keys revoke ID --reason "left the company"        in force within two seconds
  smpp-dispatch keys generate                                     SMPPD_SEAL_KEYS and SMPPD_INDEX_KEY of a new installation

Scopes: send; read (status, numbers masked); read:content (numbers and texts, too); admin (carriers, keys); * (all).
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import sys

from cli.columns import columns
from cli.command import Context, print_json
from runtime.errors import ConfigError
from runtime.logs import configure_logs
from runtime.settings import Settings
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
    generate = commands.add_parser("generate", help="print SMPPD_SEAL_KEYS and SMPPD_INDEX_KEY of a new installation")
    for command in (create, listing, revoke, generate):
        command.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace, context: Context) -> int:
    if args.action == "generate":
        return _generate(args.json)
    configure_logs("error", "keys", str(os.getpid()))
    action = {"create": _create, "list": _list, "revoke": _revoke}[args.action]
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
