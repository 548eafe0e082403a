"""Creates the Kafka topics that carriers.toml asks for, and the empty ledgers that dispatchers must find. Safe to repeat:
what is there stays as it is; a topic with another number of partitions is refused.
"""

from __future__ import annotations

import argparse
from typing import Any

from cli.command import Context, print_json, run_async
from runtime.settings import Settings
from schemas.carriers import CarrierBook


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print what was done as JSON")


def run(args: argparse.Namespace, context: Context) -> int:
    from runtime.carriers_file import load_carriers

    settings = context.settings
    book = load_carriers(settings.carriers_file, context.environ)
    return run_async(_main(settings, book, args.json))


async def _main(settings: Settings, book: CarrierBook, as_json: bool) -> int:
    done = await ensure(settings, book)
    if as_json:
        print_json(done)
        return 0
    for name in done["created"]:
        print(f"created {name}")
    for group, count in done["ledgers"].items():
        print(f"{group}: {count} empty ledgers committed")
    print(f"{done['topics']} topics are as they must be")
    return 0


async def ensure(settings: Settings, book: CarrierBook) -> dict[str, Any]:
    """Topics first, then ledgers. Raises OperatorError."""
    from bus.topics import create_topics
    from dispatcher.provision import commit_empty_ledgers
    from schemas.topics import Topics

    topics = Topics(settings.topic_prefix)
    specs = topics.all((carrier.name, carrier.partitions) for carrier in book.carriers.values())
    created = await create_topics(settings.kafka_bootstrap, specs, settings.kafka_replication)
    ledgers = {}
    for carrier in book.carriers.values():
        count = await commit_empty_ledgers(settings.kafka_bootstrap, topics, carrier)
        if count:
            ledgers[topics.dispatch_group(carrier.name)] = count
    return {"topics": len(specs), "created": created, "ledgers": ledgers}
