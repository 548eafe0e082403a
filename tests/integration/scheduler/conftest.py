"""The recorder's rig: what is due is its list."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.integration.recorder.rig import Rig, rig_over


@pytest.fixture
async def rig(kafka_bootstrap: str, topic_prefix: str, postgres_dsn: str) -> AsyncIterator[Rig]:
    async with rig_over(kafka_bootstrap, topic_prefix, postgres_dsn) as rig:
        yield rig
