"""The folder of an installation: ports, keys, env file, carriers, logs. What should outlive a run is kept, mode 0600."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from dev.carriers import Simulated, carriers_toml, scenario_json
from dev.ports import Ports
from runtime.local.lock import DirectoryLock
from runtime.local.ports import HOST

_SECRETS: Final = ("SMPPD_SEAL_KEYS", "SMPPD_INDEX_KEY")
_LOCK_TIMEOUT_S: Final = 2.0
_LOCK: Final = "lock"


class Installation:
    """Everything below `home`. `wanted`: ports to try first, by name."""

    def __init__(self, home: Path, wanted: Mapping[str, int] | None = None) -> None:
        self.home = home
        self.logs = home / "logs"
        self.env_file = home / "env"
        self.journal = home / "journal.jsonl"
        self.scenario = home / "scenario.json"
        self.carriers = home / "carriers.toml"
        self._wanted = wanted
        self._lock = DirectoryLock(home)
        self._ports: Ports | None = None

    async def open(self, *, fresh: bool = False) -> None:
        """Makes it ours until `close`; `fresh` removes what was there. Raises UnavailableError when another run has it."""
        await self._lock.acquire(_LOCK_TIMEOUT_S)
        if fresh:
            for entry in self.home.iterdir():
                if entry.name != _LOCK:
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        self.logs.mkdir(parents=True, exist_ok=True)
        self._ports = Ports(self.home / "ports.json", self._wanted)

    def close(self) -> None:
        self._lock.release()

    def port(self, name: str) -> int:
        """The port of a process: `api-1`, `metrics-api-1`, `smpp`, `control`. Raises UnavailableError."""
        assert self._ports is not None, "not open"
        return self._ports.port(name)

    def url(self, name: str) -> str:
        return f"http://{HOST}:{self.port(name)}"

    def write_carriers(self, carriers: Sequence[Simulated], scenario: Mapping[str, Any]) -> None:
        """carriers.toml and the simulator's scenario."""
        write_secret(self.carriers, carriers_toml(carriers, self.port("smpp")))
        write_secret(self.scenario, scenario_json(carriers, scenario))

    def write_env(self, settings: Mapping[str, str]) -> None:
        """The env file that every role of this installation reads. Sealing keys are made once and kept."""
        kept = {name: value for name, value in self.read_env().items() if name in _SECRETS and value}
        lines = {**_new_secrets(), **kept, **settings}
        write_secret(self.env_file, "".join(f"{name}={value}\n" for name, value in lines.items()))

    def read_env(self) -> dict[str, str]:
        """What the env file says; empty when there is none."""
        try:
            lines = self.env_file.read_text().splitlines()
        except OSError:
            return {}
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def kept_key(self, kind: str) -> str:
        """The API key of an earlier run (`test` or `live`); "" when there is none."""
        try:
            return self._key_file(kind).read_text().strip()
        except OSError:
            return ""

    def keep_key(self, kind: str, secret: str) -> None:
        write_secret(self._key_file(kind), secret + "\n")

    def _key_file(self, kind: str) -> Path:
        return self.home / f"key.{kind}"


def write_secret(path: Path, text: str) -> None:
    """Only the owner may read it, from the first byte on; a reader sees the old text or the new one, never half of it."""
    scratch = path.with_name(f"{path.name}.new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    scratch.replace(path)


def _new_secrets() -> dict[str, str]:
    seal, index = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))
    return dict(zip(_SECRETS, (f"1:{seal}", index), strict=True))
