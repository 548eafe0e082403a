"""A whole service on the test run's Kafka and Postgres: what a scenario tells a story about.

    async def test_a_story(start_cluster: StartCluster) -> None:
        async with start_cluster(dispatchers=2) as cluster:
            sending = cluster.send(2000, rate=500)              # a task; `await cluster.send(…)` to wait for it
            await cluster.submitted(500)
            cluster.pause("dispatcher-1")                       # it stays down when it ends
            cluster.kill("dispatcher-1")
            …
            cluster.resume("dispatcher-1")
            await cluster.ready("dispatcher-1")
            await sending
            await cluster.over()                                # every accepted message is final, every receipt acknowledged
            verdict = await cluster.audit()                     # the books: fails the test when they don't agree

Every process is a real one, started by the same code as `smpp-dispatch dev`, on free ports, below a folder of the test.
When a story fails, the ends of all logs are printed. Processes are called `api-1`, `dispatcher-2`, `recorder-1`, `simulator`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import asyncpg
import httpx

from auditor.__main__ import told
from auditor.audit import Verdict, audit
from dev.carriers import Simulated
from dev.installation import Installation
from dev.roles import environment
from dev.up import Cluster, Plan
from load.book import Book
from load.messages import Mix
from load.options import Options
from load.probes import Watch
from load.run import Result, Run
from runtime.local.backing import Backing

PATIENCE_S: Final = 60.0
LOG_LINES: Final = 15
CARRIERS: Final = (Simulated("alpha"), Simulated("beta"))
SCENARIO: Final[Mapping[str, Any]] = {
    "latency": {"kind": "uniform", "low_s": 0.005, "high_s": 0.02},
    "receipts": {"delay": {"kind": "uniform", "low_s": 0.05, "high_s": 0.3}, "retry_s": 1},
}
"""Answers and receipts come soon, and receipts of a lost bind come again soon: stories should be short."""
CLASSES: Final = {"otp": 2, "notice": 3, "marketing": 5}
TEXTS: Final = {"short": 80, "long": 10, "ucs2": 8, "emoji": 2}


class ScenarioCluster:
    """See the module. `carriers`, `scenario` and `settings` (SMPPD_… of all roles) are what a story may change."""

    def __init__(
        self,
        home: Path,
        kafka_bootstrap: str,
        postgres_dsn: str,
        topic_prefix: str,
        *,
        carriers: Sequence[Simulated] = CARRIERS,
        scenario: Mapping[str, Any] = SCENARIO,
        apis: int = 1,
        dispatchers: int = 2,
        recorders: int = 1,
        settings: Mapping[str, str] | None = None,
        seed: int = 1,
    ) -> None:
        self.home = home
        self.postgres_dsn = postgres_dsn
        self.kafka_bootstrap = kafka_bootstrap
        self.book = home / "book.jsonl"
        self._installation = Installation(home)
        env = environment(os.environ, keep=False)
        plan = Plan(
            carriers,
            scenario,
            apis=apis,
            dispatchers=dispatchers,
            recorders=recorders,
            journal=True,
            seed=seed,
            settings={"SMPPD_TOPIC_PREFIX": topic_prefix, **(settings or {})},
        )
        backing = Backing(env, home=home, kafka_bootstrap=kafka_bootstrap, postgres_dsn=postgres_dsn)
        self.cluster = Cluster(self._installation, plan, env, self._say, backing)
        self.seed = seed
        """Of the simulator's dice, and of the order of what is sent."""
        self.said: list[str] = []
        """What the supervisor said: which process ended, and when it was back."""
        self._runs: list[asyncio.Task[Result]] = []
        self.control = httpx.AsyncClient(timeout=10)
        """A client of the simulator's control plane."""
        self.api = httpx.AsyncClient(timeout=10)
        """A client of the first api, with a key that may do everything."""

    def _say(self, sentence: str) -> None:
        self.said.append(sentence)

    async def __aenter__(self) -> Self:
        await self._installation.open()
        try:
            await self.cluster.__aenter__()
        except BaseException:
            self._installation.close()
            self._print_logs()
            raise
        self.control.base_url = httpx.URL(self.cluster.control_url)
        self.api.base_url = httpx.URL(self.api_url)
        self.api.headers["Authorization"] = f"Bearer {self.key}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        for run in self._runs:
            run.cancel()
        await asyncio.gather(*self._runs, return_exceptions=True)
        if isinstance(fault, Exception):  # Ctrl-C is no fault of ours
            self._print_logs()
        try:
            await self.cluster.__aexit__(kind, fault, trace)
        finally:
            await self.control.aclose()
            await self.api.aclose()
            self._installation.close()

    # where things are

    @property
    def api_url(self) -> str:
        return self.cluster.api_urls[0]

    @property
    def key(self) -> str:
        return self.cluster.key

    @property
    def control_url(self) -> str:
        return self.cluster.control_url

    @property
    def journal(self) -> Path:
        return self._installation.journal

    @property
    def carriers_file(self) -> Path:
        return self._installation.carriers

    @property
    def env_file(self) -> Path:
        """For commands: `smpp-dispatch --env-file …`."""
        return self._installation.env_file

    def log(self, name: str) -> Path:
        """The log of a process."""
        return self._installation.logs / f"{name}.log"

    # processes

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Sends a signal. A process that ends is started again, unless it was paused."""
        self.cluster.supervisor.kill(name, number)

    def pause(self, name: str) -> None:
        """From now on the process stays down when it ends."""
        self.cluster.supervisor.pause_restart(name)

    def resume(self, name: str) -> None:
        """Ends `pause`: a process that is down is started."""
        self.cluster.supervisor.resume_restart(name)

    async def ready(self, *names: str, patience_s: float = PATIENCE_S) -> None:
        """Waits until the processes are up (again). Raises TimeoutError."""
        async with asyncio.timeout(patience_s):
            for name in names:
                await self.cluster.supervisor.wait_ready(name)

    async def restart(self, name: str, number: signal.Signals = signal.SIGTERM) -> None:
        """Ends a process with a signal, and waits until it is back."""
        self.kill(name, number)
        await self.ready(name)

    async def command(self, *words: str) -> str:
        """Runs `smpp-dispatch WORDS` with this cluster's settings; what it wrote. Raises UnavailableError when it fails."""
        return await self.cluster.roles.command(*words)

    # traffic

    def send(self, count: int, *, mode: str = "batch", batch_size: int = 100, **options: Any) -> asyncio.Task[Result]:
        """Begins to send; the result of the task is the run's. `options`: as load.options.Options has them, and `classes`,
        `texts`, `prefixes` as weights. What is accepted is in the book.
        """
        weights = [options.pop(name, usual) for name, usual in _WEIGHTS.items()]
        asked = Options((self.api_url,), self.key, mode=mode, batch_size=batch_size, count=count, **options)  # type: ignore[arg-type]  # a story names a mode
        task = asyncio.create_task(self._send(asked, Mix(weights[0], weights[1], weights[2], "Acme", self.seed)))
        self._runs.append(task)
        return task

    async def _send(self, options: Options, source: Mix) -> Result:
        book = Book(str(self.book))
        try:
            return await Run(options, source, Watch([], [], None), book).go()
        finally:
            book.close()

    async def fault(self, name: str, **options: Any) -> str:
        """Begins a fault of the simulator; gives its id."""
        answer = (await self.control.post(f"/faults/{name}", json=options)).raise_for_status()
        return str(answer.json()["fault_id"])

    async def stats(self) -> dict[str, Any]:
        """The simulator's counters."""
        found: dict[str, Any] = (await self.control.get("/stats")).raise_for_status().json()
        return found

    # waiting

    async def until(self, holds: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> None:
        """Waits until the coroutine function `holds` gives true. Raises AssertionError that says what did not come."""
        deadline = time.monotonic() + patience_s
        while not await holds():
            assert time.monotonic() < deadline, f"{what}: not within {patience_s:g} s"
            await asyncio.sleep(0.05)

    async def submitted(self, segments: int, patience_s: float = PATIENCE_S) -> None:
        """Waits until carriers have taken so many segments."""

        async def enough() -> bool:
            return bool((await self.stats())["accepted"] >= segments)

        await self.until(enough, f"{segments} submitted segments", patience_s)

    async def binds(self, carrier: str, count: int, patience_s: float = PATIENCE_S) -> None:
        """Waits until a carrier has so many binds."""

        async def there() -> bool:
            return sum(bind["system_id"] == carrier for bind in (await self.stats())["binds"]) == count

        await self.until(there, f"{count} binds of {carrier}", patience_s)

    async def over(self, patience_s: float = PATIENCE_S) -> None:
        """Waits until nothing more is to come: accepted messages are final, receipts are acknowledged."""
        accepted = sum(b'"id":null' not in line for line in self.book.read_bytes().splitlines())
        session = await asyncpg.connect(self.postgres_dsn, timeout=10)

        async def final() -> bool:
            found = await session.fetchval("select count(*) from audit_messages where is_final")
            return bool(found >= accepted)

        async def acknowledged() -> bool:
            receipts = (await self.stats())["receipts"]
            return bool(receipts["pending"] == 0)

        try:
            await self.until(final, f"{accepted} final messages", patience_s)
            await self.until(acknowledged, "all receipts acknowledged", patience_s)
        finally:
            await session.close(timeout=10)
        # The simulator's journal gathers lines for up to 50 ms.
        await asyncio.sleep(0.1)

    async def fetch(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """Rows of Postgres."""
        session = await asyncpg.connect(self.postgres_dsn, timeout=10)
        try:
            return [dict(row) for row in await session.fetch(query, *values)]
        finally:
            await session.close(timeout=10)

    async def audit(self, *, require_final: bool = True, **options: Any) -> Verdict:
        """Compares book, journal and rows. Raises AssertionError with the auditor's table when they don't agree."""
        verdict = await audit(
            str(self.book), [str(self.journal)], self.postgres_dsn, require_final=require_final, **options
        )
        assert verdict.ok, f"\n{told(verdict)}"
        return verdict

    def _print_logs(self) -> None:
        print("\n".join(self.said))
        for log in sorted(self._installation.logs.glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
            print(f"---- the end of {log}", *(line[:500] for line in lines), sep="\n")


_WEIGHTS: Final[dict[str, dict[str, int]]] = {"classes": CLASSES, "texts": TEXTS, "prefixes": {"86138": 1}}
StartCluster = Callable[..., ScenarioCluster]
