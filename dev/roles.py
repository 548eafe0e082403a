"""The processes of an installation as the supervisor wants them, and commands that are run to their end."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dev.installation import Installation
from runtime import compiled
from runtime.errors import UnavailableError
from runtime.local.checks import http_ready
from runtime.local.places import PROJECT
from runtime.local.process import Child, run_tool

_READY_TIMEOUT_S: Final = 60.0
_TOOL_TIMEOUT_S: Final = 120.0
STOP_BUDGET_S: Final = 30.0
"""A role drains for SMPPD_DRAIN_TIMEOUT_S (10 s) in each of its parts."""


def program() -> list[str]:
    """`smpp-dispatch`, as a person would call it; from the tree where it is not installed."""
    script = Path(sys.executable).with_name("smpp-dispatch")
    return [str(script)] if script.exists() else [sys.executable, "-m", "cli"]


class Roles:
    """Makes the children of an installation. `environ` is passed on to them: SMPPD_ settings in it outrank the env file."""

    def __init__(self, installation: Installation, environ: Mapping[str, str]) -> None:
        self._installation = installation
        self._environ = dict(environ)

    def role(self, role: str, number: int, **settings: str) -> Child:
        """One process of a role, ready when /readyz says so. `settings` without SMPPD_, in lower case."""
        name = f"{role}-{number}"
        port = self._installation.port(f"metrics-{name}")
        own = {"instance_id": name, "metrics_port": str(port), **settings}
        return self._child(name, [role], port, own)

    def api(self, number: int) -> Child:
        """An api process on a port of its own."""
        return self.role("api", number, http_port=str(self._installation.port(f"api-{number}")))

    def simulator(self, *, journal: bool, seed: int = 1) -> Child:
        """The simulator of all simulated carriers."""
        place = self._installation
        port = place.port("control")
        words = ["simulator", "--port", str(place.port("smpp")), "--http-port", str(port), "--seed", str(seed)]
        words += ["--scenario", str(place.scenario)]
        words += ["--journal", str(place.journal)] if journal else []
        return self._child("simulator", words, port, {})

    def _child(self, name: str, words: list[str], port: int, settings: Mapping[str, str]) -> Child:
        place = self._installation
        return Child(
            name,
            [*program(), "--env-file", str(place.env_file), *words],
            {**self._environ, **{f"SMPPD_{key.upper()}": value for key, value in settings.items()}},
            place.logs / f"{name}.log",
            ready=http_ready(port),
            ready_timeout_s=_READY_TIMEOUT_S,
            stop_budget_s=STOP_BUDGET_S,
            cwd=PROJECT,
        )

    async def command(self, *words: str) -> str:
        """Runs a command to its end and gives what it wrote. Raises UnavailableError."""
        argv = [*program(), "--env-file", str(self._installation.env_file), *words]
        return await run_tool(argv, self._environ, _TOOL_TIMEOUT_S, cwd=PROJECT)

    async def make_key(self, account: str, *, test: bool) -> str:
        """A new API key that may do everything. Raises UnavailableError."""
        words = ["keys", "create", "--account", account, "--scopes", "*", "--name", "dev", "--json"]
        said = await self.command(*words, *(["--test"] if test else []))
        try:
            found: dict[str, Any] = json.loads(said[said.index("{") :])
            return str(found["secret"])
        except (ValueError, KeyError):
            raise UnavailableError("`smpp-dispatch keys create` gave no key", said.strip()[-500:]) from None


def environment(environ: Mapping[str, str], keep: bool = True) -> dict[str, str]:
    """What children get: ours, without what names a place of this very process. `keep` False: without any SMPPD_ setting,
    but the one that says how its modules are loaded."""
    own = {"SMPPD_INSTANCE_ID", "SMPPD_HTTP_PORT", "SMPPD_METRICS_PORT", "SMPPD_LOAD_KEY"}
    kept = {
        name: value
        for name, value in environ.items()
        if name not in own and (keep or name == compiled.SETTING or not name.startswith("SMPPD_"))
    }
    return {"PATH": os.defpath, **kept}


def file_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """What the env file keeps of our environment: our settings, but the one that counts before the file is read."""
    given = environment(environ)
    return {name: value for name, value in given.items() if name.startswith("SMPPD_") and name != compiled.SETTING}
