"""`migrate` brings a database up, once, whoever runs it at the same time; the schema says what it is for."""

from __future__ import annotations

import asyncio
import json

import asyncpg
import pytest

from cli.main import main
from migrations.runner import migrate, revisions


async def test_all_revisions_are_applied_once_though_two_try(postgres_dsn: str) -> None:
    one, two = await asyncio.gather(migrate(postgres_dsn), migrate(postgres_dsn))
    assert sorted((len(one), len(two))) == [0, len(revisions())]
    session = await asyncpg.connect(postgres_dsn)
    assert await session.fetchval("select version_num from alembic_version") == revisions()[-1].number
    await session.close()


async def test_every_table_says_what_it_is_for(postgres_dsn: str) -> None:
    await migrate(postgres_dsn)
    session = await asyncpg.connect(postgres_dsn)
    silent = await session.fetch(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v')"
        " and not relispartition and relname <> 'alembic_version' and obj_description(oid) is null"
    )
    await session.close()
    assert silent == []


def test_the_command_tells_what_it_did(postgres_dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"SMPPD_POSTGRES_DSN": postgres_dsn}
    assert main(["migrate", "--phase", "pre", "--json"], environ) == 0
    applied = json.loads(capsys.readouterr().out)["applied"]
    assert applied[0]["revision"] == revisions()[0].number
    assert main(["migrate"], environ) == 0
    assert "up to date" in capsys.readouterr().out


def test_without_postgres_it_says_so_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"SMPPD_POSTGRES_DSN": "postgresql://u:secret@127.0.0.1:1/nowhere"}
    assert main(["migrate"], environ) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "Postgres is not reachable at 127.0.0.1:1/nowhere" in said
    assert "secret" not in said
