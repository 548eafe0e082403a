"""All generated pages: where each goes, and what makes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from docs.generate.commands import commands_page
from docs.generate.protocol import pdus_page, session_page, simulator_page
from docs.generate.records import records_page
from docs.generate.service import (
    carriers_page,
    metrics_page,
    outcomes_page,
    problems_page,
    settings_page,
    topics_page,
)

REFERENCE: Final = Path(__file__).resolve().parents[1] / "reference"

PAGES: Final[dict[str, Callable[[], str]]] = {
    "carriers-toml.md": carriers_page,
    "commands.md": commands_page,
    "metrics.md": metrics_page,
    "outcomes.md": outcomes_page,
    "pdus.md": pdus_page,
    "problems.md": problems_page,
    "records.md": records_page,
    "session.md": session_page,
    "settings.md": settings_page,
    "simulator.md": simulator_page,
    "topics.md": topics_page,
}
"""File name in docs/reference → what makes it. `http.md` there is written by hand."""


def differing() -> list[str]:
    """Names of pages that are not what the definitions say now."""
    return [name for name, make in PAGES.items() if _read(REFERENCE / name) != make()]


def write() -> list[str]:
    """Writes those that differ; gives their names."""
    names = differing()
    for name in names:
        (REFERENCE / name).write_text(PAGES[name]())
    return names


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""
