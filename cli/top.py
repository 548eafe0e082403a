"""Carriers, lanes, rates, queues and the projection's lag, live in the terminal. Works over ssh; Ctrl-C ends it.

Lanes come from the `carrier-status` topic, rates and gauges from the processes' own /metrics. Name these with --metrics (once
for each process, or with commas), or in SMPPD_HTTP_PORT and SMPPD_METRICS_PORT of the environment.

  smpp-dispatch top --metrics http://127.0.0.1:9101,http://127.0.0.1:9102
  smpp-dispatch top --once --json               two readings, three seconds apart
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections import deque
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import httpx

from cli.command import Context, print_json
from cli.top_metrics import Scrape, scrape_all
from runtime.errors import ConfigError, OperatorError
from runtime.logs import configure_logs
from runtime.settings import Settings
from schemas.carriers import CarrierBook

if TYPE_CHECKING:
    from cli.carriers_list import LaneBoard
    from cli.topic_reading import TopicReading

HELP = "carriers, lanes, rates and queues, live in the terminal"
SWITCHES_S = 10.0
FIRST_S = 3.0
"""Processes count once a second: rates over a shorter time would jump."""
OVER_S = 5.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--metrics", action="append", default=[], metavar="URL[,URL…]", help="where processes have /metrics"
    )
    parser.add_argument("--interval", type=float, default=1.0, metavar="S", help="seconds between two readings (1)")
    parser.add_argument("--once", action="store_true", help="print once and end (always so when stdout is no terminal)")
    parser.add_argument("--json", action="store_true", help="print once, as JSON")


def run(args: argparse.Namespace, context: Context) -> int:
    from runtime.carriers_file import load_carriers

    if not 0.1 <= args.interval <= 60:
        raise ConfigError(f"--interval {args.interval:g} is wrong", "it is 0.1 to 60 seconds")
    configure_logs("error", "top", str(os.getpid()))
    settings = context.settings
    book = load_carriers(settings.carriers_file, context.environ)
    urls = metrics_urls(args.metrics, settings)
    return asyncio.run(_run(args, Top(settings, book, urls)))


def metrics_urls(given: list[str], settings: Settings) -> list[str]:
    """Where to read: what was given, else the ports of the settings. Raises ConfigError for what is no address."""
    words = [word.strip() for text in given for word in text.split(",") if word.strip()]
    if not words:
        ports = ((settings.http_host, settings.http_port), (settings.metrics_host, settings.metrics_port))
        words = [f"http://{host}:{port}" for host, port in ports if port]
    urls = []
    for word in words:
        url = word if "://" in word else f"http://{word}"
        parts = httpx.URL(url)
        if parts.scheme not in ("http", "https") or not parts.host:
            raise ConfigError(f"--metrics {word} is no address", "write it like http://127.0.0.1:9101")
        urls.append(url.removesuffix("/").removesuffix("/metrics"))
    return list(dict.fromkeys(urls))


async def _run(args: argparse.Namespace, top: Top) -> int:
    from rich.console import Console
    from rich.live import Live

    from cli.top_screen import screen

    async with top:
        await top.read()
        await asyncio.sleep(max(args.interval, FIRST_S))
        shown = await top.read()
        if args.json:
            print_json({**shown, "notes": top.notes})
            return 0
        # A pipe has no width: wide enough for every column, so that `grep` finds whole lines.
        console = Console() if sys.stdout.isatty() else Console(width=160)
        if args.once or not sys.stdout.isatty():
            console.print(screen(shown, top.notes))
            return 0
        with Live(screen(shown, top.notes), console=console, auto_refresh=False, screen=True) as live:
            while True:
                await asyncio.sleep(args.interval)
                live.update(screen(await top.read(), top.notes), refresh=True)


class Top:
    """All sources. One that is away is noted, and asked again; the others go on."""

    def __init__(self, settings: Settings, book: CarrierBook, urls: list[str]) -> None:
        self.notes: list[str] = []
        self._settings = settings
        self._book = book
        self._urls = urls
        self._client = httpx.AsyncClient(trust_env=False)
        self._readings: deque[tuple[float, list[Scrape]]] = deque()
        self._stack = AsyncExitStack()
        self._topic: TopicReading | None = None
        self._board: LaneBoard | None = None
        self._switches: Any = None
        self._switches_at = 0.0

    async def __aenter__(self) -> Top:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()
        await self._stack.aclose()

    async def read(self) -> dict[str, Any]:
        """A new reading, compared with the one of OVER_S ago."""
        from cli.top_view import view

        self.notes = []
        lanes, after = await asyncio.gather(self._lanes(), scrape_all(self._client, self._urls))
        silent = [one.url for one in after if not one.up]
        if silent:
            self.notes.append(f"no answer from {', '.join(silent)}: name the processes with --metrics")
        now = time.monotonic()
        self._readings.append((now, after))
        while len(self._readings) > 2 and now - self._readings[1][0] >= OVER_S:
            self._readings.popleft()
        return view(self._readings[0][1], after, lanes)

    async def _lanes(self) -> list[dict[str, Any]]:
        from api.reference import ReferenceBook
        from cli.carriers_list import LaneBoard
        from runtime.clock import SystemClock

        try:
            await self._follow()
        except (OperatorError, OSError, RuntimeError) as fault:
            self.notes.append(f"lanes as last known: {fault}")
        board = self._board or LaneBoard()
        return board.view(self._book, self._switches or ReferenceBook(), SystemClock.wall_ms())

    async def _follow(self) -> None:
        from cli.carriers_list import LaneBoard
        from cli.reference import read_reference
        from cli.topic_reading import reading
        from schemas.topics import Topics

        if self._topic is None or self._board is None:
            opened = reading(self._settings, Topics(self._settings.topic_prefix).carrier_status)
            self._topic = await self._stack.enter_async_context(opened)
            self._board = LaneBoard()
            self._board.apply(await self._topic.catch_up())
        self._board.apply(await self._topic.news(0.05))
        if self._switches is None or time.monotonic() - self._switches_at > SWITCHES_S:
            self._switches, self._switches_at = await read_reference(self._settings), time.monotonic()
