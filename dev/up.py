"""Brings an installation up and down: servers, schema and topics, simulator, roles, key; in this order and back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from dev.carriers import Simulated
from dev.installation import Installation
from dev.roles import Roles, environment, file_settings
from runtime.local.backing import Backing
from runtime.local.process import Child
from runtime.local.supervisor import Supervisor

_KEY_TIMEOUT_S: Final = 15.0
ACCOUNT: Final = "dev"


@dataclass(frozen=True)
class Plan:
    """What is to run. `carriers` are simulated; with `carriers_file` they are somebody's, and there is no simulator."""

    carriers: Sequence[Simulated] = ()
    scenario: Mapping[str, Any] = field(default_factory=dict)
    carriers_file: Path | None = None
    apis: int = 1
    dispatchers: int = 2
    recorders: int = 1
    schedulers: int = 1
    journal: bool = False
    seed: int = 1
    settings: Mapping[str, str] = field(default_factory=dict)
    """Further lines of the env file."""

    @property
    def key_kind(self) -> str:
        """A test key reaches simulated carriers only."""
        return "live" if self.carriers_file else "test"

    def names(self, role: str, count: int) -> list[str]:
        return [f"{role}-{number}" for number in range(1, count + 1)]


class Cluster:
    """A running installation, as an async context manager. `key` and the addresses hold once it is entered."""

    def __init__(
        self,
        installation: Installation,
        plan: Plan,
        environ: Mapping[str, str],
        say: Callable[[str], None] = print,
        backing: Backing | None = None,
    ) -> None:
        """`backing`: Kafka and Postgres; None: those that the settings name, else our own below the installation."""
        self.installation = installation
        self.plan = plan
        self._environ = environ
        self._say = say
        self.backing = backing or Backing(
            environ,
            home=installation.home,
            kafka_bootstrap=environ.get("SMPPD_KAFKA_BOOTSTRAP"),
            postgres_dsn=environ.get("SMPPD_POSTGRES_DSN"),
            say=say,
        )
        self.supervisor = Supervisor(say)
        # Settings reach the roles by the env file only, where ours stand over those of the environment.
        self.roles = Roles(installation, environment(environ, keep=False))
        self.key = ""
        self._made_key = False
        self.started_s = 0.0

    @property
    def api_urls(self) -> list[str]:
        return [self.installation.url(name) for name in self.plan.names("api", self.plan.apis)]

    @property
    def control_url(self) -> str:
        """The simulator's control plane."""
        return self.installation.url("control")

    @property
    def metrics_urls(self) -> dict[str, str]:
        """/metrics of each role, by the name of the process."""
        plan = self.plan
        counts = {
            "api": plan.apis,
            "dispatcher": plan.dispatchers,
            "recorder": plan.recorders,
            "scheduler": plan.schedulers,
        }
        names = [name for role, count in counts.items() for name in plan.names(role, count)]
        return {name: f"{self.installation.url(f'metrics-{name}')}/metrics" for name in names}

    async def __aenter__(self) -> Self:
        """Raises UnavailableError with the end of the log of what did not start."""
        began = time.monotonic()
        await self.supervisor.__aenter__()
        try:
            await self._start()
        except BaseException as fault:
            stopped = await self.__aexit__(type(fault), fault, fault.__traceback__)
            if stopped:
                raise Interrupted from None
            raise
        self.started_s = time.monotonic() - began
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Stops everything; a cancellation that came from a signal ends here, as in the supervisor."""
        try:
            return await self.supervisor.__aexit__(kind, fault, trace)
        finally:
            self.backing.close()

    async def _start(self) -> None:
        await self.supervisor.start(*await self.backing.prepare())
        self._write()
        await _together(self._start_simulator(), self._run("migrate"), self._run("topics"))
        self.key = self.installation.kept_key(self.plan.key_kind)
        # A new key is made while the roles start, which is when there is time.
        await _together(self._start_roles(), *([] if self.key else [self._new_key()]))
        # An api has read all keys when it is ready: a kept one that it does not know belongs to data that is gone.
        if not await self._key_works(_KEY_TIMEOUT_S if self._made_key else 0.0):
            await self._new_key()
            await self._key_works(_KEY_TIMEOUT_S)
        self._write()

    def _write(self) -> None:
        place, plan = self.installation, self.plan
        if plan.carriers_file is None:
            place.write_carriers(plan.carriers, plan.scenario)
        place.write_env(
            {
                **file_settings(self._environ),
                "SMPPD_KAFKA_BOOTSTRAP": self.backing.kafka_bootstrap,
                "SMPPD_POSTGRES_DSN": self.backing.postgres_dsn,
                "SMPPD_CARRIERS_FILE": str(plan.carriers_file or place.carriers),
                # For commands that a person runs with this file: `load` needs both.
                "SMPPD_HTTP_PORT": str(place.port("api-1")),
                **({"SMPPD_LOAD_KEY": self.key} if self.key else {}),
                **plan.settings,
            }
        )

    async def _start_simulator(self) -> None:
        if self.plan.carriers_file is None:
            await self.supervisor.start(self.roles.simulator(journal=self.plan.journal, seed=self.plan.seed))

    async def _run(self, command: str) -> None:
        said = await self.roles.command(command)
        with (self.installation.logs / f"{command}.log").open("a") as log:
            log.write(said)

    async def _start_roles(self) -> None:
        """Side by side; listed, and so stopped, in the order: intake first, then dispatch, then what they tell of."""
        plan, roles = self.plan, self.roles
        groups: list[list[Child]] = [
            [roles.role("recorder", number) for number in range(1, plan.recorders + 1)],
            [roles.role("scheduler", number) for number in range(1, plan.schedulers + 1)],
            [roles.role("dispatcher", number) for number in range(1, plan.dispatchers + 1)],
            [roles.api(number) for number in range(1, plan.apis + 1)],
        ]
        await _together(*(self.supervisor.start(*group) for group in groups))

    async def _new_key(self) -> None:
        self._made_key = True
        self.key = await self.roles.make_key(ACCOUNT, test=self.plan.key_kind == "test")
        self.installation.keep_key(self.plan.key_kind, self.key)

    async def _key_works(self, patience_s: float) -> bool:
        """Whether an api knows the key, perhaps after a moment: it learns of a new one from Kafka."""
        deadline = time.monotonic() + patience_s
        headers = {"Authorization": f"Bearer {self.key}"}
        async with httpx.AsyncClient(base_url=self.api_urls[0], headers=headers, timeout=5) as client:
            while True:
                # An empty body: refused as such when the key is known, as unauthorized when it is not.
                answer = await client.post("/v1/messages/preview", content=b"{}")
                if answer.status_code != httpx.codes.UNAUTHORIZED:
                    return True
                if time.monotonic() >= deadline:
                    return False
                await asyncio.sleep(0.1)


class Interrupted(Exception):
    """A signal came while the installation was being brought up; everything is stopped."""


async def _together(*work: Any) -> None:
    """All at once; the first failure is raised as it is, when the others have ended too."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for fault in results:
        if isinstance(fault, BaseException):
            raise fault
