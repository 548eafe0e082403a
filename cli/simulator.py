"""An SMSC for tests, drills and benchmarks: many accounts on one SMPP port, and a control plane over HTTP.

Without --account and without accounts in the scenario, any system_id and password is let in, without a cap.
`curl http://127.0.0.1:2780/faults` lists the faults that it can show, `/stats` what it counted, `/docs` the rest.
"""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING

from cli.command import Context, run_async
from runtime.errors import ConfigError
from runtime.logs import configure_logs

if TYPE_CHECKING:
    from simulator.server import Options

HELP = "an SMSC with the faults of a real one"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address of both ports (127.0.0.1)")
    parser.add_argument("--port", type=int, default=2775, help="SMPP port; 0 picks a free one (2775)")
    parser.add_argument("--http-port", type=int, default=2780, help="port of the control plane; 0 picks one (2780)")
    parser.add_argument("--scenario", metavar="FILE", help="a .json or .toml file, or preset:NAME")
    parser.add_argument("--seed", type=int, default=1, help="one seed, one run (1)")
    parser.add_argument("--journal", metavar="FILE", help="append a JSON line for each submit_sm and receipt")
    parser.add_argument(
        "--account",
        action="append",
        default=[],
        metavar="ID:PASSWORD[:500tps][:2binds]",
        help="let in this system_id; repeatable; the scenario's accounts lie over these",
    )
    parser.add_argument("--tls-cert", metavar="FILE", help="speak TLS with this certificate (PEM)")
    parser.add_argument("--tls-key", metavar="FILE", help="its key, when it is not in the same file")
    parser.add_argument("--json-ready", action="store_true", help="tell the addresses as one line of JSON")


def run(args: argparse.Namespace, context: Context) -> int:
    from simulator.presets import parse_accounts, read_scenario, scenario_of
    from simulator.server import Options

    for name in ("port", "http_port"):
        if not 0 <= getattr(args, name) <= 65535:
            raise ConfigError(f"--{name.replace('_', '-')} {getattr(args, name)} is no port", "write 0 to 65535")
    accounts = parse_accounts(args.account)
    data = read_scenario(args.scenario)
    try:
        scenario = scenario_of(data, accounts)
    except ValueError as fault:
        raise ConfigError(f"the scenario {args.scenario or 'of --account'} is wrong", str(fault)) from None
    configure_logs(context.settings.log_level, "simulator", f"simulator-{os.getpid()}")
    options = Options(
        args.host,
        args.port,
        args.http_port,
        args.seed,
        scenario,
        accounts,
        args.journal,
        args.tls_cert,
        args.tls_key,
    )
    return run_async(_serve(options, args.json_ready))


async def _serve(options: Options, json_ready: bool) -> int:
    from simulator.server import Simulator

    simulator = Simulator(options)

    def ready() -> None:
        smpp, http = f"{options.host}:{simulator.smpp.port}", f"http://{options.host}:{simulator.http.port}"
        if json_ready:
            known = {"smpp": smpp, "smpp_port": simulator.smpp.port, "http": http, "http_port": simulator.http.port}
            print(json.dumps({**known, "pid": os.getpid(), "seed": options.seed}), flush=True)
        else:
            print(f"simulator ready: SMPP on {smpp}, control plane on {http} (docs at {http}/docs)", flush=True)

    await simulator.run(ready)
    return 0
