"""`smpp-dispatch dev`: what it prints works when pasted, a role that dies comes back, Ctrl-C leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.roles import environment, program
from runtime.local.places import PROJECT
from tests.servers import wait_gone

PATIENCE_S = 60.0


class Dev:
    """The command as a process, and what it has printed so far."""

    def __init__(self, home: Path, env: dict[str, str]) -> None:
        self.home = home
        self._out = home.parent / "out"
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(
                [*program(), "dev", "--home", str(home), "--journal"],
                stdout=out, stderr=subprocess.STDOUT, env=env, cwd=PROJECT,
            )  # fmt: skip

    @property
    def said(self) -> str:
        return self._out.read_text()

    def wait(self, words: str) -> str:
        deadline = time.monotonic() + PATIENCE_S
        while words not in self.said:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, f"{words!r} did not come:\n{self.said}"
            time.sleep(0.05)
        return self.said

    def children(self) -> dict[str, int]:
        """The pids of the roles, by their logs: a process is known by the log that it writes."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and _parent(entry) == self.process.pid:
                found[Path(os.readlink(entry / "fd" / "1")).stem] = int(entry.name)
        return found


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


@contextmanager
def dev(home: Path, env: dict[str, str]) -> Iterator[Dev]:
    one = Dev(home, env)
    try:
        yield one
    finally:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def pasted(line: str) -> subprocess.CompletedProcess[str]:
    shell = ["/bin/sh", "-c", line]
    return subprocess.run(shell, capture_output=True, text=True, timeout=PATIENCE_S, cwd=PROJECT, check=False)


def test_dev_starts_serves_and_leaves_nothing(
    tmp_path: Path, kafka_bootstrap: str, postgres_dsn: str, topic_prefix: str
) -> None:
    env = environment(os.environ, keep=False) | {
        "SMPPD_KAFKA_BOOTSTRAP": kafka_bootstrap,
        "SMPPD_POSTGRES_DSN": postgres_dsn,
        "SMPPD_TOPIC_PREFIX": topic_prefix,
    }
    with dev(tmp_path / "home", env) as one:
        said = one.wait("Ctrl-C stops everything")
        children = one.children()
        assert set(children) == {"simulator", "api-1", "dispatcher-1", "dispatcher-2", "recorder-1", "scheduler-1"}
        curl = re.search(r"^  curl .*?'$", said, re.MULTILINE | re.DOTALL)
        assert curl
        assert '"status":"queued"' in pasted(curl[0]).stdout
        load = re.search(r"^  (.* load .*)$", said, re.MULTILINE)
        assert load
        line = load[1].replace("--count 10000", "--count 200")
        loaded = pasted(line)
        assert loaded.returncode == 0, loaded.stdout + loaded.stderr
        assert "accepted   200 messages" in loaded.stdout
        assert " final after " in loaded.stdout
        os.kill(children["recorder-1"], signal.SIGKILL)
        one.wait("recorder-1 is back as pid")
        pids = [*children.values(), *one.children().values()]
        one.process.send_signal(signal.SIGINT)
        assert one.process.wait(PATIENCE_S) == 0
        assert one.said.endswith("all stopped\n")
        assert wait_gone(pids, 1) == []
        key = (one.home / "key.test").read_text().strip()
    # The next run keeps what a person has noted down.
    with dev(tmp_path / "home", env) as again:
        assert f"key            {key}" in again.wait("Ctrl-C stops everything")
        again.process.send_signal(signal.SIGTERM)
        assert again.process.wait(PATIENCE_S) == 0
