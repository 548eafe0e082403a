"""Takes care of what is due later: scheduled sends, retries, held and deferred messages, waits for evidence.

Several schedulers share the work. While Postgres or Kafka is away they wait, and go on after; nothing is lost or doubled by
killing one.
"""

from __future__ import annotations

import argparse

from cli.command import Context, run_async

HELP = "release what is due: scheduled sends, retries, held messages"


def arguments(parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def run(args: argparse.Namespace, context: Context) -> int:
    """Raises ConfigError, UnavailableError."""
    from policy.answers import unknown_codes
    from runtime.live_book import LiveBook
    from runtime.logs import configure_logs
    from scheduler.process import SchedulerProcess

    settings = context.settings
    configure_logs(settings.log_level, "scheduler", settings.instance_id)
    book = LiveBook(settings.carriers_file, context.environ, unknown_codes)
    return run_async(SchedulerProcess(settings, book).run())
