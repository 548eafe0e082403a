"""Revisions before and after a deploy, in the only order that is safe."""

from __future__ import annotations

import pytest

from migrations import runner
from migrations.runner import Revision, pending, revisions, sql_of
from runtime.errors import ConfigError


def steps(*phases: str) -> list[Revision]:
    return [Revision(f"{number:04d}", phase, phase) for number, phase in enumerate(phases, 1)]


def numbers(found: list[Revision]) -> list[str]:
    return [step.number for step in found]


def test_revisions_are_a_line_and_each_names_its_phase() -> None:
    found = revisions()
    assert numbers(found) == [f"{number:04d}" for number in range(1, len(found) + 1)]
    assert {step.phase for step in found} <= {"pre", "post"}
    assert "create table messages" in sql_of(found[0])
    assert "alembic_version" in sql_of(found[0])


def test_each_phase_stops_before_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "revisions", lambda: steps("pre", "pre", "post", "pre"))
    assert numbers(pending(None, "pre")) == ["0001", "0002"]
    assert numbers(pending("0002", "post")) == ["0003"]
    assert numbers(pending("0003", "pre")) == ["0004"]
    assert numbers(pending(None, "all")) == ["0001", "0002", "0003", "0004"]
    assert pending("0004", "pre") == pending("0004", "post") == []
    assert pending("0003", "post") == []


def test_a_step_of_the_other_phase_that_comes_first_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "revisions", lambda: steps("pre", "post", "pre"))
    with pytest.raises(ConfigError, match="migrate --phase post"):
        pending("0001", "pre")


def test_a_database_of_a_newer_release_is_left_alone() -> None:
    with pytest.raises(ConfigError, match="does not know"):
        pending("9999", "all")
