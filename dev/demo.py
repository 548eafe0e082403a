"""The demo: 10,000 messages through everything, one bind dropped and one dispatcher killed on the way, each one accounted for.

An installation of its own, always fresh. The account is the auditor's, which knows nothing of the service: the client's
book, the simulator's journal and the rows of Postgres.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx

from auditor.audit import Verdict, audit
from dev.carriers import simulated
from dev.demo_screen import DemoScreen, ending
from dev.faults import Faults
from dev.installation import Installation
from dev.roles import environment
from dev.up import Cluster, Interrupted, Plan
from load.book import Book
from load.messages import Mix
from load.options import Options
from load.probes import Watch
from load.run import Result, Run
from runtime.errors import UnavailableError
from runtime.local.places import LOCAL, PROJECT

MESSAGES: Final = 10_000
CLASSES: Final = {"otp": 2, "notice": 3, "marketing": 5}
TEXTS: Final = {"short": 82, "long": 6, "ucs2": 6, "ucs2-long": 3, "emoji": 3}
PREFIXES: Final = {"86138": 3, "49171": 1, "1202": 1}
RATE: Final = 1_500.0
"""Half as much again as the carriers take together: a queue builds up, and is seen to drain."""
RAMP_S: Final = 2.0
TPS: Final = 500
SCENARIO: Final[dict[str, Any]] = {
    "latency": {"kind": "uniform", "low_s": 0.01, "high_s": 0.04},
    # Receipts whose bind was lost are sent again soon: a real SMSC takes its time, the demo should not.
    "receipts": {"delay": {"kind": "uniform", "low_s": 0.2, "high_s": 1.5}, "retry_s": 2},
}
FINAL_TIMEOUT_S: Final = 90.0
SETTLE_TIMEOUT_S: Final = 15.0
MEND_TIMEOUT_S: Final = 60.0
SUMMARY: Final = PROJECT / "var" / "demo.json"
KILLED: Final = "dispatcher-1"
_DROP_AT: Final = 0.15
_KILL_AT: Final = 0.35


async def demo(environ: Mapping[str, str]) -> int:
    """0 when all are accounted for. Raises UnavailableError, Interrupted."""
    began = time.monotonic()
    screen = DemoScreen()
    installation = Installation(LOCAL / "demo")
    await installation.open(fresh=True)
    try:
        screen.say("starting Postgres, Kafka, a simulator with 2 carriers of 2 lanes, 2 dispatchers, api and recorder")
        plan = Plan(simulated(2, TPS, lanes=2, window=50), SCENARIO, journal=True)
        # Without anybody's settings: its own servers, always the same demo.
        async with Cluster(installation, plan, environment(environ, keep=False), screen.say) as cluster:
            story = Story(cluster, screen)
            await story.tell()
        if cluster.supervisor.signalled:
            raise Interrupted
    finally:
        installation.close()
    return story.end(time.monotonic() - began)


class Story:
    """The traffic, the faults, the account."""

    def __init__(self, cluster: Cluster, screen: DemoScreen) -> None:
        self._cluster = cluster
        self._screen = screen
        self._book = str(cluster.installation.home / "book.jsonl")
        self._verdict: Verdict | None = None
        self._result: Result | None = None
        self._summary: dict[str, Any] = {}

    async def tell(self) -> None:
        """Everything while the cluster is up. Raises UnavailableError when a fault is not mended in time."""
        cluster, screen = self._cluster, self._screen
        screen.say(f"up after {cluster.started_s:.1f} s: api {cluster.api_urls[0]}, simulator {cluster.control_url}")
        dsn = cluster.backing.postgres_dsn
        options = Options(
            (cluster.api_urls[0],), cluster.key, batch_size=100, count=MESSAGES, rate=RATE, ramp_s=RAMP_S, connections=8
        )
        source = Mix(CLASSES, TEXTS, PREFIXES, "Acme")
        segments = round(MESSAGES * (source.segments or 1))
        watch, book = Watch([cluster.control_url], [], dsn), Book(self._book)
        with screen.progress(MESSAGES, segments):
            screen.say(f"sending {MESSAGES:,} messages by HTTP: {segments:,} segments, {2 * TPS:,} of them a second")
            one = Run(options, source, watch, book, screen.show)
            faults = Faults(cluster, screen.say)
            breaking = asyncio.create_task(self._break(one, faults, segments))
            try:
                self._result = await one.go(FINAL_TIMEOUT_S)
                async with asyncio.timeout(MEND_TIMEOUT_S):
                    await breaking
                await self._settled()
            except TimeoutError:
                logs = cluster.installation.logs
                raise UnavailableError("what the demo broke was not mended in time", f"look into {logs}") from None
            finally:
                breaking.cancel()
                await faults.close()
                await watch.close()
                book.close()
        screen.say("the auditor compares the client's book, the simulator's journal and Postgres")
        journals = [str(cluster.installation.journal)]
        self._verdict = await audit(self._book, journals, dsn, require_final=True)
        self._summary = self._sum_up(self._verdict, self._result, faults.log, await _doubts(dsn))

    async def _break(self, one: Run, faults: Faults, segments: int) -> None:
        await _reached(one, _DROP_AT * segments)
        await faults.drop_bind("alpha")
        await _reached(one, _KILL_AT * segments)
        await faults.kill_dispatcher(KILLED)

    async def _settled(self) -> None:
        """Waits until each receipt that was sent is acknowledged: those of a lost bind come a moment later."""
        deadline = time.monotonic() + SETTLE_TIMEOUT_S
        async with httpx.AsyncClient(base_url=self._cluster.control_url, timeout=5) as client:
            while time.monotonic() < deadline:
                receipts = (await client.get("/stats")).json()["receipts"]
                if not receipts["pending"]:
                    break
                await asyncio.sleep(0.1)
        # The journal gathers its lines for up to 50 ms.
        await asyncio.sleep(0.1)

    @staticmethod
    def _sum_up(verdict: Verdict, result: Result, faults: list[dict[str, Any]], doubts: int) -> dict[str, Any]:
        """var/demo.json, with the names of CONTRACT."""
        counts, found = verdict.counts, verdict.faults
        seconds = result.final_s or result.figures.elapsed_s
        return {
            "accepted": counts["accepted"],
            "submitted": counts["submitted"],
            "distinct_submitted": counts["distinct_submitted"],
            "delivered": counts["delivered"],
            "receipts_sent": counts["receipts_sent"],
            "receipts_acked": counts["receipts_acked"],
            "in_doubt": doubts,
            "possible_duplicates": counts["possible_duplicates"],
            "repeats": counts["repeats"],
            "unlisted_repeats": found["unlisted_repeats"],
            "lost": found["lost"],
            "msgs_per_s": round(counts["accepted"] / seconds, 1),
            "faults": faults,
        }

    def end(self, took_s: float) -> int:
        """Writes the summary, tells what happened. The exit code."""
        assert self._verdict is not None
        assert self._result is not None
        SUMMARY.parent.mkdir(exist_ok=True)
        SUMMARY.write_text(json.dumps(self._summary, indent=2) + "\n")
        well = self._verdict.ok and self._summary["accepted"] == MESSAGES and self._result.clean
        where = Path(os.path.relpath(SUMMARY))
        self._screen.end(ending(self._summary, self._verdict, self._result, took_s, where, well))
        return 0 if well else 1


async def _reached(one: Run, segments: float) -> None:
    while (one.seen.submitted or 0) < segments:
        await asyncio.sleep(0.05)


async def _doubts(dsn: str) -> int:
    """Messages that were listed as in doubt at any time."""
    session = await asyncpg.connect(dsn, timeout=10)
    try:
        query = "select count(distinct id) from in_doubt where reason <> 'possible_duplicate'"
        return int(await session.fetchval(query))
    finally:
        await session.close(timeout=10)
