"""For every test: the fixtures of tests/servers.py, the marker of tests that need them, and the order of the tiers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers import (
    FIXTURES,
    kafka_bootstrap,
    module_postgres_dsn,
    postgres_dsn,
    postgres_server_dsn,
    run_home,
    server_home,
    topic_prefix,
)

__all__ = [
    "kafka_bootstrap", "module_postgres_dsn", "postgres_dsn", "postgres_server_dsn", "run_home", "server_home", "topic_prefix",
]  # fmt: skip

# The quick ones first: what is plainly broken is told in seconds.
TIERS = ("unit", "property", "architecture", "contract", "integration", "scenario")
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_tier)
    for item in items:
        if FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.servers)


def _tier(item: pytest.Item) -> int:
    path = item.path
    folder = path.relative_to(HERE).parts[0] if path.is_relative_to(HERE) else ""
    return TIERS.index(folder) if folder in TIERS else len(TIERS)
