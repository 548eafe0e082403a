"""Real servers for tests: one Kafka and one Postgres a pytest run, started when the first test asks, stopped at its end.

Fixtures (all are there for every test, by tests/conftest.py):

kafka_bootstrap       `host:port` of a real Kafka. Put `topic_prefix` before every topic and group.
topic_prefix          Unique for each test, fits SMPPD_TOPIC_PREFIX. Topics that begin with it are deleted after the test.
postgres_dsn          DSN of a database that is empty, and this test's own. Dropped after the test.
module_postgres_dsn   The same for a whole module, for tests that share a schema and clean up after themselves.
server_home           An empty folder below `.local/test/`, for a test that runs, stops or kills servers of its own
                      (`KafkaServer(server_home / "kafka", server_home / "kafka.log", KAFKA_CACHE, os.environ)`). Never
                      do that to the shared ones. Not pytest's tmp_path: when we are root, Postgres is another user and
                      can't enter that.

The shared servers live below `.local/test/run-<pid>/` on free ports, so runs side by side don't meet; the logs are in
`logs/` there, kept when a test failed. SMPPD_KAFKA_BOOTSTRAP and SMPPD_POSTGRES_DSN name servers to use instead. Whoever
asks for one server only starts one. Tests that use them get the marker `servers` (`pytest -m "not servers"`: the quick ones).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import select
import shutil
import time
from collections.abc import Coroutine, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from runtime.local.kafka import KafkaServer
from runtime.local.lock import DirectoryLock
from runtime.local.places import KAFKA_CACHE, LOCAL
from runtime.local.postgres import PostgresServer

T = TypeVar("T")

RUNS = LOCAL / "test"
FIXTURES = frozenset({"kafka_bootstrap", "postgres_dsn", "module_postgres_dsn", "server_home"})
CLEAN_UP_TIMEOUT_S = 10.0


@pytest.fixture(scope="session")
def run_home(request: pytest.FixtureRequest) -> Iterator[Path]:
    """The folder of this pytest run."""
    _remove_left_overs()
    home = RUNS / f"run-{os.getpid()}"
    lock = DirectoryLock(home)
    assert lock.try_acquire()
    yield home
    for entry in home.iterdir():
        if entry.is_dir() and not (entry.name == "logs" and request.session.testsfailed):
            shutil.rmtree(entry, ignore_errors=True)
    if not request.session.testsfailed:
        shutil.rmtree(home, ignore_errors=True)
    lock.release()


@pytest.fixture(scope="session")
def kafka_bootstrap(run_home: Path) -> Iterator[str]:
    """See the module's docstring."""
    if given := os.environ.get("SMPPD_KAFKA_BOOTSTRAP"):
        yield given
        return
    kafka = KafkaServer(run_home / "kafka", run_home / "logs" / "kafka.log", KAFKA_CACHE, os.environ)
    try:
        run(kafka.start())
        yield kafka.bootstrap
    finally:
        run(kafka.stop())


@pytest.fixture(scope="session")
def postgres_server_dsn(run_home: Path) -> Iterator[str]:
    """A database of a server on which others can be made."""
    if given := os.environ.get("SMPPD_POSTGRES_DSN"):
        yield given
        return
    postgres = PostgresServer(run_home / "postgres", run_home / "logs" / "postgres.log")
    try:
        run(postgres.start())
        yield postgres.dsn
    finally:
        run(postgres.stop())


@pytest.fixture
def postgres_dsn(postgres_server_dsn: str) -> Iterator[str]:
    """See the module's docstring."""
    with _database(postgres_server_dsn) as dsn:
        yield dsn


@pytest.fixture(scope="module")
def module_postgres_dsn(postgres_server_dsn: str) -> Iterator[str]:
    """See the module's docstring."""
    with _database(postgres_server_dsn) as dsn:
        yield dsn


@pytest.fixture
def topic_prefix(request: pytest.FixtureRequest) -> Iterator[str]:
    """See the module's docstring."""
    prefix = f"t{secrets.token_hex(5)}-"
    yield prefix
    if "kafka_bootstrap" in request.fixturenames:
        run(_delete_topics(request.getfixturevalue("kafka_bootstrap"), prefix))


@pytest.fixture
def server_home(run_home: Path) -> Iterator[Path]:
    """See the module's docstring."""
    home = run_home / f"own-{secrets.token_hex(4)}"
    home.mkdir()
    yield home
    shutil.rmtree(home, ignore_errors=True)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine in a sync fixture, on a loop of its own (asyncio.run would unset pytest-asyncio's)."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()


@contextlib.contextmanager
def _database(server_dsn: str) -> Iterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    run(_execute(server_dsn, f"create database {name} template template0 strategy file_copy"))
    try:
        yield urlunsplit(urlsplit(server_dsn)._replace(path=f"/{name}"))
    finally:
        # force: what a failed test has left connected must not fail the next ones.
        run(_execute(server_dsn, f"drop database {name} with (force)"))


async def _execute(dsn: str, statement: str) -> None:
    session = await asyncpg.connect(dsn, timeout=CLEAN_UP_TIMEOUT_S)
    try:
        await session.execute(statement, timeout=CLEAN_UP_TIMEOUT_S)
    finally:
        await session.close(timeout=CLEAN_UP_TIMEOUT_S)


async def _delete_topics(bootstrap: str, prefix: str) -> None:
    async with asyncio.timeout(CLEAN_UP_TIMEOUT_S):
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            ours = [topic for topic in await admin.list_topics() if topic.startswith(prefix)]
            if ours:
                await admin.delete_topics(ours)
        finally:
            await admin.close()


def _remove_left_overs() -> None:
    """Folders of runs that are over: killed ones, and failed ones kept for their logs."""
    for folder in RUNS.glob("run-*"):
        lock = DirectoryLock(folder)
        if lock.try_acquire():
            shutil.rmtree(folder, ignore_errors=True)
            lock.release()


def wait_gone(pids: Iterable[int], timeout_s: float) -> list[int]:
    """Those of the processes that still live after the time; for tests of what a kill leaves behind."""
    deadline = time.monotonic() + timeout_s
    return [pid for pid in pids if not _gone(pid, deadline)]


def _gone(pid: int, deadline: float) -> bool:
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], max(0.0, deadline - time.monotonic()))[0])
    finally:
        os.close(pidfd)
