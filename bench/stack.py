"""Everything on this machine for a measurement: simulated carriers, all roles, a Kafka and a Postgres of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import asyncpg
import httpx

from bench.costs import Costs
from dev.carriers import NAMES, Simulated
from dev.installation import Installation
from dev.roles import environment
from dev.up import Cluster, Plan
from load.book import Book
from load.messages import Mix
from load.options import Options
from load.probes import Watch
from load.run import Result, Run
from runtime.local.places import LOCAL

FAST: Final[Mapping[str, Any]] = {"preset": "fast"}
DURABLE: Final[Mapping[str, Any]] = {
    "acks": "all",
    "postgres_fsync": True,
    # Of the projection: a crash takes rows and positions back together (DESIGN 8).
    "synchronous_commit": False,
}
"""What every row ran with."""
CLASSES: Final = {"otp": 2, "notice": 3, "marketing": 5}
TEXTS: Final = {"short": 1}
TPS: Final = 100_000
"""Of each carrier: more than this machine can do, so that the contract is not what is measured."""


@dataclass(frozen=True)
class Layout:
    """What runs. `exposure`: most messages in doubt a lane; 0: the window."""

    carriers: int = 4
    lanes: int = 2
    partitions: int = 12
    window: int = 50
    exposure: int = 0
    dispatchers: int = 1
    recorders: int = 1
    tps: int = TPS
    scenario: Mapping[str, Any] | None = None
    journal: bool = False

    def settings(self) -> dict[str, Any]:
        """As a row of var/bench.json has them: what it ran with, beside DURABLE."""
        return asdict(replace(self, exposure=self.exposure or self.window, scenario=self.scenario or FAST))


class Stack:
    """A running installation, and what measures it."""

    def __init__(self, cluster: Cluster, layout: Layout) -> None:
        self.cluster = cluster
        self.layout = layout
        self.costs = Costs(cluster.supervisor)
        self.dsn = cluster.backing.postgres_dsn
        self.home = cluster.installation.home
        self.journal = cluster.installation.journal
        self.book = cluster.installation.home / "book.jsonl"

    async def send(self, count: int, *, final_s: float | None = None, book: bool = False, **options: Any) -> Result:
        """Sends, and waits until all are final when `final_s` allows for it."""
        # What is over is asked of the recorders' counters: counting rows is work for Postgres, and so is done so seldom that
        # the end would be seen a second late. Rows are counted when all is over (`delivered`).
        watch = Watch([self.cluster.control_url], self._recorders(), None)
        kept = Book(str(self.book)) if book else None
        asked = Options((self.cluster.api_urls[0],), self.cluster.key, count=count, **options)
        try:
            return await Run(asked, Mix(CLASSES, TEXTS, {"86138": 1}, "Acme"), watch, kept).go(final_s)
        finally:
            await watch.close()
            if kept is not None:
                kept.close()

    def _recorders(self) -> list[str]:
        return [url for name, url in self.cluster.metrics_urls.items() if name.startswith("recorder")]

    async def delivered(self) -> int:
        """Rows that say delivered."""
        session = await asyncpg.connect(self.dsn, timeout=10)
        try:
            return int(await session.fetchval("select count(*) from audit_messages where status = 'delivered'"))
        finally:
            await session.close(timeout=10)

    async def switch(self, action: str) -> None:
        """Pauses or resumes every carrier."""
        headers = {"Authorization": f"Bearer {self.cluster.key}"}
        async with httpx.AsyncClient(base_url=self.cluster.api_urls[0], headers=headers, timeout=10) as client:
            for name in NAMES[: self.layout.carriers]:
                (await client.post(f"/v1/carriers/{name}/{action}", json={"reason": "bench"})).raise_for_status()

    async def submitted(self) -> int:
        """Segments that the carriers took, since the simulator's start."""
        async with httpx.AsyncClient(base_url=self.cluster.control_url, timeout=10) as client:
            return int((await client.get("/stats")).json()["accepted"])

    async def until_projected(self, count: int, patience_s: float) -> None:
        """Waits until so many messages have a row. Raises TimeoutError."""
        session = await asyncpg.connect(self.dsn, timeout=10)
        try:
            async with asyncio.timeout(patience_s):
                while await session.fetchval("select count(*) from messages") < count:
                    # Counting millions takes as long as it takes: seldom.
                    await asyncio.sleep(1 + count / 1_000_000)
        finally:
            await session.close(timeout=10)


@asynccontextmanager
async def stack(layout: Layout) -> AsyncIterator[Stack]:
    """Brought up fresh, and stopped at the end. Raises UnavailableError."""
    installation = Installation(LOCAL / "bench")
    await installation.open(fresh=True)
    options = {"exposure": layout.exposure} if layout.exposure else {}
    carriers = [
        Simulated(name, layout.tps, layout.lanes, layout.window, layout.partitions, options=options)
        for name in NAMES[: layout.carriers]
    ]
    plan = Plan(
        carriers, layout.scenario or FAST, dispatchers=layout.dispatchers, recorders=layout.recorders,
        journal=layout.journal,
    )  # fmt: skip
    try:
        async with Cluster(installation, plan, environment(os.environ, keep=False), _silent) as cluster:
            yield Stack(cluster, layout)
    finally:
        installation.close()


def _silent(_sentence: str) -> None:
    """What the supervisor says is in the logs below .local/bench."""
