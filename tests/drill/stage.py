"""Where drills happen: an installation with a Kafka and a Postgres of its own, traffic, and the audit after each fault."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx

from auditor.audit import Verdict, audit
from dev.carriers import Simulated, carriers_toml, scenario_json
from dev.installation import write_secret
from runtime.local.lock import DirectoryLock
from runtime.local.places import LOCAL
from tests.drill.judgement import Doubt, most_in_one_loss
from tests.scenario.cluster import SCENARIO, ScenarioCluster

WINDOW: Final = 50
CARRIERS: Final = tuple(
    # A silent carrier is given up after ten seconds rather than sixty: drills should be short.
    Simulated(name, window=WINDOW, options={"submit_timeout_s": 10})
    for name in ("alpha", "beta")
)
LANES: Final = sum(carrier.lanes for carrier in CARRIERS)
PATIENCE_S: Final = 120.0
LOCK_PATIENCE_S: Final = 5.0
MOST_RSS_MB: Final = 200.0
RECEIPT_CHECKS: Final = ("delivered_not_told", "receipts_lost")


@dataclass
class Outcome:
    """A line of var/drill.json."""

    name: str
    accepted: int = 0
    lost: int = 0
    in_doubt: int = 0
    in_doubt_max_per_lane: int = 0
    exposure: int = WINDOW
    resent: int = 0
    repeats: int = 0
    unlisted_repeats: int = 0
    receipts_lost: int = 0
    recovery_s: float = 0.0
    ok: bool = False
    seconds: float = 0.0
    skipped: str = ""
    """Why it was passed over."""
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Stage:
    """A running installation; figures of a drill are what came on top of those of the one before."""

    def __init__(self, cluster: ScenarioCluster) -> None:
        self.cluster = cluster
        self.dsn = cluster.cluster.backing.postgres_dsn
        self._before: dict[str, int] = {}
        self._broken_at = 0.0
        self.recovery_s = 0.0
        self.notes: list[str] = []
        self._traffic: asyncio.Task[Any] | None = None

    # what drills use

    def send(self, count: int = 2_400, rate: float | None = 300.0, **options: Any) -> asyncio.Task[Any]:
        """Traffic; every request is repeated under its key for four minutes. `rate` None: as fast as it goes."""
        usual = {"batch_size": 20, "retry_for_s": 240.0, "connections": 16}
        self._traffic = self.cluster.send(count, rate=rate, **(usual | options))
        return self._traffic

    async def under_way(self, segments: int = 300) -> None:
        """Waits until so many more segments were submitted."""
        await self.cluster.submitted(await self.accepted() + segments, PATIENCE_S)

    async def accepted(self, carrier: str = "") -> int:
        """Segments that carriers have taken."""
        stats = await self.cluster.stats()
        return int(stats["accounts"][carrier]["accepted"] if carrier else stats["accepted"])

    async def stats(self, name: str) -> dict[str, int]:
        """A group of the simulator's counters."""
        found: dict[str, int] = (await self.cluster.stats())[name]
        return found

    async def submits(self) -> dict[int, int]:
        """By bind; a bind that comes again has another number."""
        return {bind["bind"]: bind["submits"] for bind in (await self.cluster.stats())["binds"]}

    async def contract(self, carriers: Sequence[Simulated], scenario: Mapping[str, Any] = SCENARIO) -> None:
        """carriers.toml and the SMSC as both have it from now on."""
        place = self.cluster.cluster.installation
        accounts = json.loads(scenario_json(carriers, scenario))
        (await self.cluster.control.put("/scenario", json=accounts)).raise_for_status()
        write_secret(place.carriers, carriers_toml(carriers, place.port("smpp")))

    def broken(self) -> None:
        """The fault begins."""
        self._broken_at = time.monotonic()

    async def recovered(self, lanes: int = LANES) -> None:
        """Waits until each lane is bound and submits from now on; the time since `broken` is the recovery."""
        before = await self.submits()

        async def flows() -> bool:
            if self._traffic is not None and self._traffic.done():
                # A lane without messages shows nothing.
                self.send(600)
            now = await self.submits()
            return len(now) >= lanes and all(count > before.get(bind, 0) for bind, count in now.items())

        await self.cluster.until(flows, "lanes that send again", PATIENCE_S)
        self.recovery_s = time.monotonic() - self._broken_at

    def expect(self, holds: bool, what: str) -> None:
        """A claim of this drill's own."""
        if not holds:
            self.notes.append(what)

    def signal(self, name: str, number: int) -> None:
        """To a process, without the supervisor thinking that it ended."""
        pid = self.cluster.cluster.supervisor.pid(name)
        assert pid is not None
        os.kill(pid, number)

    def rss_mb(self) -> dict[str, float]:
        """Resident megabytes of our own processes."""
        found = {}
        for state in self.cluster.cluster.supervisor.states():
            if state.pid is not None and state.name not in ("kafka", "postgres", "simulator"):
                with suppress(OSError):
                    pages = int(Path(f"/proc/{state.pid}/statm").read_text().split()[1])
                    found[state.name] = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
        return found

    # the audit

    async def play(
        self, name: str, drill: Callable[[Stage], Awaitable[None]], exposure: int = WINDOW, forgetful: bool = False
    ) -> Outcome:
        """The fault, the end of all traffic, the four books. `forgetful`: an SMSC lost receipts, and what it took then is
        unknown in the end, which a late receipt could still amend."""
        outcome = Outcome(name, exposure=exposure)
        began, since_ms = time.monotonic(), round(time.time() * 1000)
        self.recovery_s, self.notes = 0.0, outcome.notes
        try:
            await drill(self)
            if forgetful:
                await self._final_or_unknown(PATIENCE_S * 3)
            else:
                await self.cluster.over(PATIENCE_S * 3)
            await self._account(outcome, since_ms, require_final=not forgetful)
        except (AssertionError, TimeoutError, OSError, httpx.HTTPError, asyncpg.PostgresError) as fault:
            outcome.notes.append(f"{type(fault).__name__}: {fault}"[:300])
        outcome.recovery_s = round(self.recovery_s, 1)
        outcome.seconds = round(time.monotonic() - began, 1)
        outcome.ok = not (
            outcome.notes
            or outcome.lost
            or outcome.unlisted_repeats
            or outcome.receipts_lost
            or outcome.in_doubt_max_per_lane > outcome.exposure
            or not outcome.accepted
        )
        return outcome

    async def _final_or_unknown(self, patience_s: float) -> None:
        async def ended() -> bool:
            query = "select count(*) as open from audit_messages where not is_final and status <> 'unknown'"
            return not (await self.cluster.fetch(query))[0]["open"]

        await self.cluster.until(ended, "an end of all messages", patience_s)

    async def _account(self, outcome: Outcome, since_ms: int, require_final: bool) -> None:
        journal, book = str(self.cluster.journal), str(self.cluster.book)
        verdict = await audit(book, [journal], self.dsn, require_final=require_final)
        now = self._figures(verdict, (await self.cluster.stats())["receipts"])
        for name, value in now.items():
            before = self._before.get(name, 0)
            if hasattr(outcome, name):
                setattr(outcome, name, value - before)
            elif value > before:
                outcome.notes.append(f"the auditor: {value - before} {name}")
        self._before = now
        session = await asyncpg.connect(self.dsn, timeout=10)
        try:
            rows = await session.fetch(
                "select id::text, carrier, lane, reason, at_ms, action from in_doubt"
                " where at_ms >= $1 and reason <> 'possible_duplicate'", since_ms,
            )  # fmt: skip
        finally:
            await session.close(timeout=10)
        outcome.in_doubt = len({row["id"] for row in rows})
        outcome.resent = len({row["id"] for row in rows if row["action"] == "resending"})
        outcome.in_doubt_max_per_lane = most_in_one_loss(Doubt(*row[:5]) for row in map(tuple, rows))

    @staticmethod
    def _figures(verdict: Verdict, receipts: Mapping[str, int]) -> dict[str, int]:
        """All that the audit tells, since the stage was set up."""
        faults = dict(verdict.faults)
        # Sent again after a lost bind: what counts is that each was acknowledged in the end.
        unacknowledged = receipts["pending"] + receipts["dropped"]
        return {
            "accepted": verdict.counts["accepted"],
            "repeats": verdict.counts["repeats"],
            "receipts_lost": unacknowledged + sum(faults.pop(name, 0) for name in RECEIPT_CHECKS),
            **faults,
        }


@asynccontextmanager
async def stage(
    seed: int,
    *,
    carriers: Sequence[Simulated] = CARRIERS,
    scenario: Mapping[str, Any] = SCENARIO,
    dispatchers: int = 2,
    settings: Mapping[str, str] | None = None,
    disks: Mapping[str, int] | None = None,
) -> AsyncIterator[Stage]:
    """Set up fresh, and taken down. `disks`: megabytes of a tmpfs for the data of "kafka" or "postgres" (root only)."""
    home = LOCAL / "drill"
    lock = DirectoryLock(home)
    # Before its data go: another run may be on them.
    await lock.acquire(LOCK_PATIENCE_S)
    lock.release()
    shutil.rmtree(home, ignore_errors=True)
    mounted = [_mount(home / name, size) for name, size in (disks or {}).items()]
    cluster = ScenarioCluster(
        home, None, None, "",  # type: ignore[arg-type]  # None: servers of its own
        carriers=carriers, scenario=scenario, dispatchers=dispatchers, seed=seed,
        settings={"SMPPD_TOPIC_PREFIX": "drill-", **(settings or {})},
    )  # fmt: skip
    try:
        async with cluster:
            cluster.postgres_dsn = cluster.cluster.backing.postgres_dsn
            cluster.kafka_bootstrap = cluster.cluster.backing.kafka_bootstrap
            yield Stage(cluster)
    finally:
        for folder in mounted:
            _unmount(folder)


def _mount(folder: Path, megabytes: int) -> Path:
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "drill", str(folder)], check=True)
    return folder


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", "-l", str(folder)], check=False)
