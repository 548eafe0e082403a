"""Everything on this machine: Kafka, Postgres, schema and topics, a simulator with carriers, and all roles, supervised.

It stays up until Ctrl-C, and starts a role that dies again. Ports, keys and data are kept in .local/dev from run to run;
--reset begins anew. SMPPD_KAFKA_BOOTSTRAP and SMPPD_POSTGRES_DSN name servers to use instead of our own.

--demo is another matter: an installation of its own (.local/demo), always fresh, 10,000 messages through it with two faults
on the way, the account of every one of them, and everything stopped again. Exit code 0: all are accounted for.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from cli.command import Context
from runtime.errors import ConfigError

if TYPE_CHECKING:
    from dev.up import Plan

HELP = "everything on this machine, with simulated carriers"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--demo", action="store_true", help="send 10,000 messages, break things, account for all, end")
    parser.add_argument("--home", metavar="FOLDER", help="where it keeps everything (.local/dev)")
    parser.add_argument("--reset", action="store_true", help="remove the data of earlier runs first")
    parser.add_argument("--carriers", type=int, metavar="N", help="simulated carriers (2)")
    parser.add_argument("--lanes", type=int, metavar="N", help="binds of each (2)")
    parser.add_argument("--tps", type=int, metavar="N", help="segments a second of each (500)")
    parser.add_argument("--window", type=int, metavar="N", help="submits without a response, of each bind (50)")
    parser.add_argument("--scenario", metavar="FILE", help="of the simulator: .json, or preset:NAME (preset:typical)")
    parser.add_argument("--journal", action="store_true", help="have the simulator write its journal, for the auditor")
    parser.add_argument("--no-simulator", action="store_true", help="real carriers: needs --carriers-file")
    parser.add_argument("--carriers-file", metavar="FILE", help="your own carriers.toml")
    parser.add_argument("--api-workers", type=int, default=1, metavar="N", help="api processes, a port each (1)")
    parser.add_argument("--dispatchers", type=int, default=2, metavar="N", help="dispatcher processes (2)")
    parser.add_argument("--recorders", type=int, default=1, metavar="N", help="recorder processes (1)")


def run(args: argparse.Namespace, context: Context) -> int:
    """Raises ConfigError, UnavailableError."""
    from dev.up import Interrupted

    for name in ("carriers", "lanes", "tps", "window", "api_workers", "dispatchers", "recorders"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise ConfigError(f"--{name.replace('_', '-')} {value}", "write a number above 0")
    try:
        if args.demo:
            from dev.demo import demo

            return asyncio.run(demo(context.environ))
        home = Path(args.home).resolve() if args.home else None
        return asyncio.run(_stay_up(_plan(args), home, args.reset, context))
    except Interrupted:
        return 128 + signal.SIGINT


def _plan(args: argparse.Namespace) -> Plan:
    from dev.carriers import NAMES, simulated
    from dev.up import Plan

    counts = {"apis": args.api_workers, "dispatchers": args.dispatchers, "recorders": args.recorders}
    if args.no_simulator != bool(args.carriers_file):
        raise ConfigError("--no-simulator and --carriers-file belong together", "give both, or neither")
    if args.carriers_file:
        simulation = ("carriers", "lanes", "tps", "window", "scenario")
        strange = [name for name in simulation if getattr(args, name) is not None]
        if strange or args.journal:
            raise ConfigError(f"--{(strange or ['journal'])[0]} is for simulated carriers", "leave it out")
        return Plan(carriers_file=Path(args.carriers_file).resolve(), **counts)
    if (args.carriers or 2) > len(NAMES):
        raise ConfigError(f"--carriers {args.carriers}", f"there are names for {len(NAMES)}")
    carriers = simulated(args.carriers or 2, args.tps or 500, args.lanes or 2, args.window or 50)
    return Plan(carriers, _scenario(args.scenario or "preset:typical"), journal=args.journal, **counts)


def _scenario(source: str) -> dict[str, object]:
    import json

    if source.startswith("preset:"):
        return {"preset": source.removeprefix("preset:")}
    try:
        found = json.loads(Path(source).read_text())
    except OSError as fault:
        raise ConfigError(f"can't read the scenario {source}", fault.strerror or str(fault)) from None
    except ValueError as fault:
        raise ConfigError(f"the scenario {source} is not JSON", str(fault)) from None
    if not isinstance(found, dict):
        raise ConfigError(f"the scenario {source} is not a table", "write an object at the top level")
    return found


async def _stay_up(plan: Plan, home: Path | None, reset: bool, context: Context) -> int:
    from dev.installation import Installation
    from dev.story import told
    from dev.up import Cluster
    from runtime.local.places import LOCAL

    # The usual ports for the usual installation only: another one beside it should not take them away.
    usual = {} if home else {"api-1": 8080, "smpp": 2775, "control": 2780}
    installation = Installation(home or LOCAL / "dev", usual)
    await installation.open(fresh=reset)
    try:
        async with Cluster(installation, plan, context.environ, _say) as cluster:
            print(told(cluster), flush=True)
            await cluster.supervisor.forever()
    finally:
        installation.close()
    _say("all stopped")
    return 0


def _say(sentence: str) -> None:
    print(sentence, flush=True)
