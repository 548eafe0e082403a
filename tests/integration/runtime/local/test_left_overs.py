"""Kafka and Postgres under a supervisor: they are restarted when killed, and gone when it is."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from runtime.local.backing import Backing
from runtime.local.supervisor import Supervisor
from tests.servers import wait_gone

PROJECT = Path(__file__).resolve().parents[4]

BOTH = """
import asyncio, os, sys
from pathlib import Path
from runtime.local.backing import Backing
from runtime.local.supervisor import Supervisor
async def main():
    backing = Backing(os.environ, home=Path(sys.argv[1]))
    async with Supervisor() as supervisor:
        await supervisor.start(*await backing.prepare())
        print("up", *(state.pid for state in supervisor.states()), flush=True)
        await supervisor.forever()
asyncio.run(main())
"""


def descendants(pid: int) -> list[int]:
    """The process and all that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in descendants(int(child)))]


async def test_both_are_restarted_in_place_when_killed(server_home: Path) -> None:
    said: list[str] = []
    backing = Backing(os.environ, home=server_home, say=said.append)
    async with asyncio.timeout(60), Supervisor(said.append) as supervisor:
        await supervisor.start(*await backing.prepare())
        dsn = backing.postgres_dsn
        for name in ("kafka", "postgres"):
            supervisor.kill(name)
        for name in ("kafka", "postgres"):
            await supervisor.wait_ready(name)
        session = await asyncpg.connect(dsn)
        assert await session.fetchval("select current_database()") == "smpp_dispatch"
        await session.close()
        assert [state.restarts for state in supervisor.states()] == [1, 1]
    backing.close()
    assert not any("did not stop" in line for line in said)


async def test_servers_that_are_given_are_not_started() -> None:
    backing = Backing({}, kafka_bootstrap="kafka.example:9092", postgres_dsn="postgresql://db.example/x")
    assert await backing.prepare() == []
    assert (backing.kafka_bootstrap, backing.postgres_dsn) == ("kafka.example:9092", "postgresql://db.example/x")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_nothing_is_left_and_the_next_one_starts_over_the_same_data(
    server_home: Path, number: signal.Signals
) -> None:
    command = [sys.executable, "-c", BOTH, str(server_home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=PROJECT, text=True) as process:  # noqa: ASYNC220
        assert process.stdout is not None
        pids: list[int] = []
        for line in process.stdout:
            if line.startswith("up "):
                pids = [each for word in line.split()[1:] for each in descendants(int(word))]
                break
        # Postgres has children of its own, Kafka has none.
        assert len(pids) > 4
        process.send_signal(number)
        assert wait_gone(pids, 20) == []
    backing = Backing(os.environ, home=server_home)
    async with asyncio.timeout(60), Supervisor() as supervisor:
        await supervisor.start(*await backing.prepare())
        assert all(state.ready for state in supervisor.states())
    backing.close()
