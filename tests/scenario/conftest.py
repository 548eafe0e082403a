"""The fixture that scenarios start with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.scenario.cluster import ScenarioCluster, StartCluster


@pytest.fixture
def start_cluster(tmp_path: Path, kafka_bootstrap: str, postgres_dsn: str, topic_prefix: str) -> StartCluster:
    """Makes a cluster on this run's servers; see tests/scenario/cluster.py."""

    def start(**options: Any) -> ScenarioCluster:
        return ScenarioCluster(tmp_path / "cluster", kafka_bootstrap, postgres_dsn, topic_prefix, **options)

    return start
