"""A real Postgres of its own: starts, survives a kill -9 with what was committed, keeps others out."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from runtime.errors import UnavailableError
from runtime.local.postgres import PostgresServer
from runtime.local.postgres_account import open_way_to


def server(home: Path) -> PostgresServer:
    return PostgresServer(home / "postgres", home / "postgres.log")


async def value(dsn: str, query: str) -> object:
    session = await asyncpg.connect(dsn, timeout=5)
    try:
        return await session.fetchval(query)
    finally:
        await session.close()


async def test_what_was_committed_outlives_a_kill_and_a_stop_and_another_server_object(server_home: Path) -> None:
    postgres = server(server_home)
    await postgres.start()
    try:
        await value(postgres.dsn, "create table t as select 1 as x")
        await postgres.kill()
        assert postgres.pid is None
        await postgres.start()
        await value(postgres.dsn, "insert into t values (2)")
        assert await postgres.stop() is True
        postgres = server(server_home)
        await postgres.start()
        assert await value(postgres.dsn, "select sum(x) from t") == 3
    finally:
        await postgres.stop()


async def test_a_session_that_stays_open_does_not_hold_up_the_stop(server_home: Path) -> None:
    postgres = server(server_home)
    await postgres.start()
    session = await asyncpg.connect(postgres.dsn)
    try:
        assert await postgres.stop() is True
    finally:
        session.terminate()


async def test_over_tcp_the_password_is_asked_for_and_the_socket_is_for_its_owner(server_home: Path) -> None:
    postgres = server(server_home)
    await postgres.start()
    try:
        host = urlsplit(postgres.dsn).netloc.rpartition("@")[2]
        with pytest.raises(asyncpg.InvalidPasswordError):
            await value(f"postgresql://postgres:guess@{host}/smpp_dispatch", "select 1")
        assert await value(postgres.socket_dsn, "select current_database()") == "smpp_dispatch"
        assert stat.S_IMODE(postgres._sockets.stat().st_mode) == 0o700
    finally:
        await postgres.stop()


async def test_it_is_as_safe_as_in_production(postgres_dsn: str) -> None:
    if os.environ.get("SMPPD_POSTGRES_DSN"):
        pytest.skip("that Postgres is not ours")
    session = await asyncpg.connect(postgres_dsn)
    try:
        settings = {
            name: await session.fetchval(f"show {name}") for name in ("fsync", "full_page_writes", "synchronous_commit")
        }
        assert set(settings.values()) == {"on"}
        assert await session.fetchval("show server_encoding") == "UTF8"
    finally:
        await session.close()


async def test_a_deep_folder_gets_its_socket_elsewhere(server_home: Path) -> None:
    postgres = server(server_home / ("d" * 80))
    await postgres.start()
    try:
        assert postgres._sockets.parent == Path("/tmp")
        assert await value(postgres.socket_dsn, "select 1") == 1
    finally:
        await postgres.stop()
        for left in postgres._sockets.iterdir():
            left.unlink()
        postgres._sockets.rmdir()


def test_a_link_where_the_socket_folder_should_be_is_refused(server_home: Path) -> None:
    (server_home / "elsewhere").mkdir()
    (server_home / "elsewhere").chmod(0o755)
    (server_home / "sockets").symlink_to(server_home / "elsewhere")
    with pytest.raises(UnavailableError, match="sockets belongs to somebody else"):
        PostgresServer._own(server_home / "sockets", None)
    assert mode(server_home / "elsewhere") == 0o755


async def test_it_starts_below_folders_that_were_made_under_a_strict_umask(server_home: Path) -> None:
    before = os.umask(0o077)
    try:
        postgres = server(server_home / "closed")
        (server_home / "closed").mkdir()
        await postgres.start()
    finally:
        os.umask(before)
    try:
        assert await value(postgres.dsn, "select 1") == 1
    finally:
        await postgres.stop()


async def test_an_initdb_that_was_interrupted_starts_over(server_home: Path) -> None:
    postgres = server(server_home)
    (server_home / "postgres" / "data.new").mkdir(parents=True)
    (server_home / "postgres" / "data.new" / "PG_VERSION").write_text("18\n")
    await postgres.start()
    assert await postgres.stop() is True


async def test_each_test_gets_an_empty_database(postgres_dsn: str, module_postgres_dsn: str) -> None:
    assert urlsplit(postgres_dsn).path != urlsplit(module_postgres_dsn).path
    assert await value(postgres_dsn, "select count(*) from pg_tables where schemaname = 'public'") == 0


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_on_the_way_can_be_passed_but_not_listed(server_home: Path) -> None:
    closed = server_home / "closed"
    closed.mkdir()
    closed.chmod(0o700)
    said: list[str] = []
    open_way_to(closed / "data", said.append)
    assert mode(closed) == 0o701
    assert str(closed) in said[-1]


def test_a_way_that_is_open_is_not_touched(server_home: Path) -> None:
    (server_home / "a").mkdir()
    (server_home / "a").chmod(0o711)
    said: list[str] = []
    open_way_to(server_home / "a" / "data", said.append)
    assert mode(server_home / "a") == 0o711
    assert not any(str(server_home / "a") + " " in line for line in said)
