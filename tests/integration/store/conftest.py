"""A database with the schema."""

from __future__ import annotations

import pytest

from migrations.runner import migrate


@pytest.fixture
async def dsn(postgres_dsn: str) -> str:
    await migrate(postgres_dsn)
    return postgres_dsn
