"""Owns lanes: takes messages from Kafka, submits them over SMPP as fast as each carrier's contract allows, publishes
outcomes and receipts. Start as many as you like, each with its own SMPPD_INSTANCE_ID: the lanes are shared out.

SIGTERM drains (finishes what is out, commits, unbinds); the lanes stay this process's own until the session timeout, so that
a restart takes them back at once. With SMPPD_LEAVE_ON_STOP=true they are handed over instead: for scaling down.
"""

from __future__ import annotations

import argparse

from cli.command import Context, run_async


def arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own: everything is a setting."""


def run(args: argparse.Namespace, context: Context) -> int:
    return run_async(_main(context))


async def _main(context: Context) -> int:
    from dispatcher.role import Dispatcher
    from policy.answers import unknown_codes
    from runtime.lifecycle import Lifecycle
    from runtime.live_book import LiveBook
    from runtime.logs import configure_logs, logger

    settings = context.settings
    configure_logs(settings.log_level, "dispatcher", settings.instance_id)

    def ready(port: int) -> None:
        logger("dispatcher").info("ready", metrics=f"http://{settings.metrics_host}:{port}/metrics")

    await Dispatcher(settings, LiveBook(settings.carriers_file, context.environ, unknown_codes), Lifecycle()).run(ready)
    return 0
