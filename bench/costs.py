"""CPU time and memory by process, from /proc: what each part of the service took of the machine."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from runtime.local.supervisor import Supervisor

_TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")
_PAGE_MB: Final = os.sysconf("SC_PAGE_SIZE") / 1e6
_NUMBER: Final = re.compile(r"-[0-9]+$")


class Usage(NamedTuple):
    """CPU seconds since the start, and resident megabytes, of a process and all below it."""

    cpu_s: float
    rss_mb: float


class Costs:
    """Of the children of a supervisor, by role (`dispatcher-1` and `-2` are one), and of this process: `load`."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self.most_mb: dict[str, float] = {}
        """The most memory that one process of each role has had since it began, as far as the kernel tells."""

    def look(self) -> dict[str, float]:
        """CPU seconds by role, up to now."""
        below = children_by_parent()
        found = {"load": time.process_time()}
        for state in self._supervisor.states():
            pid = self._supervisor.pid(state.name)
            if pid is None:
                continue
            role = role_of(state.name)
            usage = usage_of(pid, below)
            found[role] = found.get(role, 0.0) + usage.cpu_s
            self.most_mb[role] = max(self.most_mb.get(role, 0.0), usage.rss_mb, peak_mb_of(pid))
        return found


def bytes_on_disk(home: Path) -> dict[str, int]:
    """What an installation's Kafka and Postgres hold: segments of the logs, tables and indexes; not WAL, not Kafka's indexes."""
    logs, tables = home.glob("kafka/data/*/*.log"), home.glob("postgres/data/base/*/*")
    return {"kafka": _size_of(logs), "postgres": _size_of(tables)}


def _size_of(files: Iterable[Path]) -> int:
    total = 0
    for file in files:
        with contextlib.suppress(FileNotFoundError):
            total += file.stat().st_size
    return total


def role_of(name: str) -> str:
    """`dispatcher-2` is a dispatcher."""
    return _NUMBER.sub("", name)


def per_message(before: Mapping[str, float], after: Mapping[str, float], messages: int) -> dict[str, float]:
    """Microseconds of CPU a message by role; those that took next to nothing are left out."""
    spent = {role: (cpu_s - before.get(role, 0.0)) / messages * 1e6 for role, cpu_s in after.items()}
    return {role: round(micros, 1) for role, micros in spent.items() if micros >= 0.05}


def usage_of(pid: int, below: Mapping[int, Iterable[int]]) -> Usage:
    """Of a process, its living children and those that it has buried. Shared memory counts once a process."""
    cpu_s = rss_mb = 0.0
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        waiting += below.get(one, ())
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            private = Path(f"/proc/{one}/statm").read_text().split()
        except OSError:
            continue
        cpu_s += sum(map(int, fields[11:15])) * _TICK_S
        rss_mb += (int(private[1]) - (int(private[2]) if one != pid else 0)) * _PAGE_MB
    return Usage(cpu_s, rss_mb)


def peak_mb_of(pid: int) -> float:
    """The most that a process, without its children, has had resident; 0 when it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def children_by_parent() -> dict[int, list[int]]:
    """The pids of all processes by that of their parent."""
    found: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            found.setdefault(parent, []).append(int(entry.name))
    return found
