"""Each row says what it ran with: rows have different layouts, and figures of one are not those of another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import rows
from bench.stack import FAST, Layout

WIDE = Layout(window=200, exposure=1000)


class Quick:
    """A stack in which all is over at once."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.costs = SimpleNamespace(look=dict, most_mb={})
        self.sent = 0

    async def send(self, count: int, **_: Any) -> Any:
        self.sent += count
        latency = SimpleNamespace(quantile=lambda _share: 0.0, buckets=list)
        figures = SimpleNamespace(accepted=count, elapsed_s=1.0, samples=[], latency=latency)
        return SimpleNamespace(final=count, final_s=1.0, figures=figures)

    async def delivered(self) -> int:
        return self.sent


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Layout]:
    """The layouts that were brought up."""
    found: list[Layout] = []

    @asynccontextmanager
    async def stack(layout: Layout) -> AsyncIterator[Quick]:
        found.append(layout)
        yield Quick(tmp_path)

    monkeypatch.setattr(rows, "stack", stack)
    return found


def test_settings_are_all_of_a_layout_with_what_it_leaves_to_others() -> None:
    told = Layout(window=50).settings()
    assert (told["window"], told["exposure"], told["scenario"]) == (50, 50, FAST)
    assert told.keys() == vars(WIDE).keys()
    assert WIDE.settings()["exposure"] == 1000


async def test_a_row_has_the_settings_that_it_ran_with(ran: list[Layout]) -> None:
    layout = replace(WIDE, partitions=2)
    assert (await rows.bulk(layout, 1000))["settings"] == layout.settings()
    assert ran == [layout]


@pytest.mark.parametrize("keyed", [False, True])
async def test_single_messages_go_with_keys_or_without(keyed: bool, ran: list[Layout]) -> None:
    found = await rows.single(WIDE, 1000, keyed=keyed)
    assert found["settings"] == {**ran[0].settings(), "idempotency_keys": keyed}


async def test_a_run_of_which_a_row_is_missing_has_no_figures(
    ran: list[Layout], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def one_less(self: Quick) -> int:
        return self.sent - 1

    monkeypatch.setattr(Quick, "delivered", one_less)
    for row in (rows.bulk, rows.single):
        with pytest.raises(SystemExit, match="rows say delivered, not 2"):
            await row(WIDE, 1000)
    assert len(ran) == 2


async def test_each_part_of_scale_has_its_own(ran: list[Layout]) -> None:
    found = await rows.scale(WIDE, 1000)
    assert [part["settings"] for part in found.values()] == [layout.settings() for layout in ran]
    assert [part["settings"]["dispatchers"] for part in found.values()] == [1, 2, 4]
