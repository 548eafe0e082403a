"""What `doctor` and `carriers check` tell: one finding a line, with how to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

Level = Literal["ok", "note", "warning", "error"]
_MARKS: dict[Level, str] = {"ok": "ok   ", "note": "note ", "warning": "WARN ", "error": "ERROR"}


class Finding(NamedTuple):
    """One fact. `about`: the part of the service, or `file:line`; `remedy`: what to do, empty when nothing need be done."""

    level: Level
    about: str
    what: str
    remedy: str = ""

    def line(self) -> str:
        """As a person reads it."""
        told = f"{_MARKS[self.level]} {self.about}: {self.what}"
        return f"{told}\n      → {self.remedy}" if self.remedy else told


def as_json(findings: Sequence[Finding]) -> list[dict[str, str]]:
    return [finding._asdict() for finding in findings]


def worst(findings: Sequence[Finding]) -> Level:
    """The level of the gravest; `ok` when there are none."""
    order: tuple[Level, ...] = ("error", "warning", "note")
    return next((level for level in order if any(finding.level == level for finding in findings)), "ok")
