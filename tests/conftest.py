"""For every test: the fixtures of tests/servers.py, the marker of tests that need them, and the order of the tiers.

Tests see the modules as written; with SMPPD_COMPILED=yes, as `make compile` made them (and so do the processes that they start).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runtime import compiled

os.environ.setdefault(compiled.SETTING, "no")
compiled.use(os.environ)

from tests.servers import (  # noqa: E402 - what comes from here on may be compiled
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
    is_compiled = compiled.state.startswith("yes")
    for item in items:
        if is_compiled and item.get_closest_marker("as_written"):
            item.add_marker(pytest.mark.skip(reason="takes the place of a part that a compiled class does not let go"))
        if FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.servers)


def pytest_report_header() -> str:
    return f"compiled: {compiled.state}"


def _tier(item: pytest.Item) -> int:
    path = item.path
    folder = path.relative_to(HERE).parts[0] if path.is_relative_to(HERE) else ""
    return TIERS.index(folder) if folder in TIERS else len(TIERS)
