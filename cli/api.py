"""The HTTP side: accepts messages into Kafka, answers what became of them.

Needs Kafka with its topics (`smpp-dispatch topics`), carriers.toml, SMPPD_SEAL_KEYS and SMPPD_INDEX_KEY. Postgres may be
away: questions are answered 503 then, and sending goes on. Try it:

  curl -H "Authorization: Bearer sk_test_…" -H "Content-Type: application/json" http://127.0.0.1:8080/v1/messages \\
       -d '{"to":"+8613800000000","text":"Hello","sender":"Acme"}'

/docs has the whole API; /livez, /readyz and /metrics are there, too.
"""

from __future__ import annotations

import argparse
import json
import os

from cli.command import Context, run_async
from runtime.logs import configure_logs
from runtime.settings import Settings

HELP = "take messages by HTTP, answer what became of them"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json-ready", action="store_true", help="tell the addresses as one line of JSON")


def run(args: argparse.Namespace, context: Context) -> int:
    settings = context.settings
    configure_logs(settings.log_level, "api", settings.instance_id)
    return run_async(_serve(settings, context, args.json_ready))


async def _serve(settings: Settings, context: Context, json_ready: bool) -> int:
    from api.process import Addresses, ApiProcess

    def ready(addresses: Addresses) -> None:
        if json_ready:
            print(json.dumps({**addresses._asdict(), "pid": os.getpid()}), flush=True)
        else:
            print(f"api ready on {addresses.http} (docs at {addresses.http}/docs)", flush=True)

    await ApiProcess(settings, context.environ).run(ready)
    return 0
