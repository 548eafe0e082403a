"""Carriers: check carriers.toml, see the binds, switch one, try one from outside.

  smpp-dispatch carriers check [FILE]        what is wrong in the file (exit 2), and what is valid but likely not meant
  smpp-dispatch carriers list                binds, rates and queues, as the dispatchers told last
  smpp-dispatch carriers pause NAME --reason "they have an incident" --until 2026-12-01T08:00:00Z
  smpp-dispatch carriers drain NAME --reason …   what is queued goes to the other carriers of its routes
  smpp-dispatch carriers resume NAME --reason …
  smpp-dispatch carriers tps NAME 50 --reason …  instead of the rate in carriers.toml; 0: that again
  smpp-dispatch carriers probe NAME          binds through aiosmpplib, a stack that is not ours, asks for a sign of life,
                                             and with --to submits one message: whose fault is it, the carrier's or ours?

A probe takes one of the account's binds while it lasts. What the carrier delivers on it and does not belong to the probe is
answered with a temporary error, so that it comes again to a lane: nothing is lost by it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from cli.carriers_switch import add_switches
from cli.command import Context, print_json
from cli.findings import as_json, worst
from runtime.carriers_file import load_carriers
from runtime.clock import SystemClock
from runtime.errors import ConfigError
from runtime.logs import configure_logs
from schemas.carriers import Carrier

HELP = "check carriers.toml, list binds, switch or probe a carrier"


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser("check", help="tell what is wrong in a carriers.toml, with line and remedy")
    check.add_argument("file", metavar="FILE", nargs="?", help="default: SMPPD_CARRIERS_FILE")
    check.add_argument("--latency-s", type=float, default=0.1, help="how long carriers take to answer a submit (0.1)")
    check.add_argument("--without-secrets", action="store_true", help="take variables that are not set for set")
    check.add_argument("--strict", action="store_true", help="exit 1 on warnings, too")
    listing = actions.add_parser("list", help="binds, rates and queues of all lanes")
    probe = actions.add_parser("probe", help="bind to a carrier through a stack that is not ours")
    probe.add_argument("name", metavar="NAME", help="the carrier, as in carriers.toml")
    probe.add_argument(
        "--bind", choices=("transceiver", "transmitter", "receiver"), help="default: as the carrier has it"
    )
    probe.add_argument("--to", metavar="NUMBER", help="submit one message to this number: it will be sent, and cost")
    probe.add_argument("--text", default="smpp-dispatch probe", help="its text, at most one segment")
    probe.add_argument("--sender", help="its sender; needed with --to")
    probe.add_argument("--receipt-s", type=float, default=0.0, metavar="S", help="wait this long for its receipt (0)")
    probe.add_argument("--timeout-s", type=float, default=10.0, metavar="S", help="most that each step may take (10)")
    probe.add_argument("--pdus", action="store_true", help="show every PDU in hex (no password)")
    for action in (check, listing, probe, *add_switches(actions)):
        action.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace, context: Context) -> int:
    if args.action == "check":
        return _check(args, context)
    configure_logs("error", "carriers", str(os.getpid()))
    act = {"list": _list, "probe": _probe}.get(args.action, _switch)
    return act(args, context)


def _switch(args: argparse.Namespace, context: Context) -> int:
    from cli.carriers_switch import change_of, switch

    carrier = _carrier(args.name, context)
    make, warning = change_of(args, carrier, SystemClock.wall_ms())
    shown = asyncio.run(switch(context.settings, carrier, make, args.reason))
    if args.json:
        print_json({**shown, "warning": warning})
        return 0
    until = f" until {shown['until']}" if shown["until"] else ""
    rate = f"{shown['tps']} segments a second" + (f" until {shown['tps_until']}" if shown["tps_until"] else "")
    print(f"{carrier.name} is {shown['state']}{until}, at {rate}; in force within two seconds")
    if warning:
        print(f"warning: {warning}", file=sys.stderr)
    return 0


def _carrier(name: str, context: Context) -> Carrier:
    """Raises ConfigError."""
    path = context.settings.carriers_file
    book = load_carriers(path, context.environ)
    carrier = book.carriers.get(name)
    if carrier is None:
        raise ConfigError(f"{path} has no carrier {name}", f"it has {', '.join(sorted(book.carriers)) or 'none'}")
    return carrier


class _AnySecret(Mapping[str, str]):
    """The environment, in which every variable is set."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        return self._environ.get(name, "unset")

    def __iter__(self) -> Iterator[str]:
        return iter(self._environ)

    def __len__(self) -> int:
        return len(self._environ)


def _check(args: argparse.Namespace, context: Context) -> int:
    from cli.carriers_check import findings

    if args.latency_s <= 0:
        raise ConfigError(f"--latency-s {args.latency_s:g} is wrong", "it is seconds, above 0")
    path = args.file or context.settings.carriers_file
    book = load_carriers(path, _AnySecret(context.environ) if args.without_secrets else context.environ)
    found = findings(Path(path).read_text(), path, book, args.latency_s)
    gravest = worst(found)
    if args.json:
        print_json({"file": path, "carriers": len(book.carriers), "findings": as_json(found)})
    else:
        for finding in found:
            print(finding.line())
        word = {"error": "is wrong", "warning": "is valid, see the warnings"}.get(gravest, "is well")
        print(f"{path} {word}: {len(book.carriers)} carriers, {len(book.routes)} routes, {len(book.inbound)} numbers")
    if gravest == "error":
        return 2
    return 1 if gravest == "warning" and args.strict else 0


def _list(args: argparse.Namespace, context: Context) -> int:
    from cli.carriers_list import as_text, carriers_now

    book = load_carriers(context.settings.carriers_file, context.environ)
    shown = asyncio.run(carriers_now(context.settings, book))
    if args.json:
        print_json(shown)
    else:
        print(as_text(shown))
    return 0


def _probe(args: argparse.Namespace, context: Context) -> int:
    from cli.probe import Probe, message_of
    from cli.probe_verdict import password_variable

    path = context.settings.carriers_file
    carrier = _carrier(args.name, context)
    message = message_of(carrier, args.to, args.sender, args.text) if args.to else None
    mode = args.bind or ("transceiver" if carrier.bind_mode == "transceiver" else "transmitter")
    probe = Probe(
        carrier, mode, message, timeout_s=args.timeout_s, receipt_s=args.receipt_s,
        secret=password_variable(Path(path).read_text(), carrier.name), tell=None if args.json else print,
        tell_pdu=(lambda line: print(line, file=sys.stderr)) if args.pdus else None,
    )  # fmt: skip
    report = asyncio.run(probe.run())
    if args.json:
        print_json(report.as_json())
    return 0 if report.well else 1
