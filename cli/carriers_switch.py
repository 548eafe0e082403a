"""An operator's switch of a carrier, straight through Kafka: it needs neither Postgres nor a running api."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from cli.reading_side import millis_of
from policy.switching import STATE_OF_ACTION, check_tps, set_state, set_tps
from runtime.clock import SystemClock
from runtime.errors import ConfigError
from runtime.settings import Settings
from schemas.carriers import Carrier
from schemas.codec import encode
from schemas.ids import rfc3339
from schemas.records import Act, CarrierSwitch

Make = Callable[[CarrierSwitch | None, Act], CarrierSwitch]


def add_switches(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> list[argparse.ArgumentParser]:
    """The actions pause, resume, drain and tps."""
    told = {
        "pause": "send nothing to a carrier; what is queued waits",
        "resume": "end a pause or a drain",
        "drain": "send nothing more, and give what is queued to the other carriers of its routes",
        "tps": "set a carrier's rate, over all its lanes",
    }
    parsers = []
    for name, text in told.items():
        parser = actions.add_parser(name, help=f"{text}; in force within two seconds")
        parser.add_argument("name", metavar="NAME", help="the carrier, as in carriers.toml")
        if name == "tps":
            parser.add_argument(
                "tps", metavar="N", type=int, help="segments a second; 0: as carriers.toml has it again"
            )
        parser.add_argument("--reason", required=True, help="for the audit log")
        if name != "resume":
            parser.add_argument("--until", metavar="TIME", help="when it ends by itself: RFC 3339 (never)")
        parsers.append(parser)
    return parsers


def change_of(args: argparse.Namespace, carrier: Carrier, now_ms: int) -> tuple[Make, str | None]:
    """What the command makes of the switch in force, and a warning. Raises ConfigError."""
    until_ms = millis_of(getattr(args, "until", None), "--until") or 0
    if until_ms and until_ms <= now_ms:
        raise ConfigError(f"--until {args.until} is over", "write a time to come, or leave it out")
    if args.action != "tps":
        state = STATE_OF_ACTION[args.action]
        return lambda before, act: set_state(before, carrier.name, act, state, until_ms), None
    if not args.tps and until_ms:
        raise ConfigError("--until has no meaning without a rate", "leave it out")
    try:
        warning = check_tps(carrier, args.tps) if args.tps else None
    except ValueError as fault:
        raise ConfigError(f"the rate {args.tps} {fault}", f"carriers.toml has {carrier.tps}") from None
    return lambda before, act: set_tps(before, carrier.name, act, args.tps, until_ms), warning


async def switch(settings: Settings, carrier: Carrier, make: Make, reason: str) -> dict[str, Any]:
    """Changes what is in force; gives it, for people. Raises UnavailableError, ConfigError."""
    from api.reference import carrier_key
    from cli.reference import act_of, read_reference, write_reference

    book = await read_reference(settings)
    made = make(book.switch(carrier.name, SystemClock.wall_ms()), act_of(reason))
    await write_reference(settings, [(carrier_key(carrier.name), encode(made))])
    return {
        "carrier": carrier.name,
        "state": made.state,
        "until": rfc3339(made.until_ms) if made.until_ms else None,
        "tps": made.tps or carrier.tps,
        "contract_tps": carrier.tps,
        "tps_until": rfc3339(made.tps_until_ms) if made.tps_until_ms else None,
    }
