"""Findings and columns as people see them."""

from __future__ import annotations

from cli.columns import columns
from cli.findings import Finding, as_json, worst

OK, NOTE = Finding("ok", "kafka", "is there"), Finding("note", "java", "none", "only dev needs it")
WARNING, ERROR = Finding("warning", "disk", "full soon"), Finding("error", "keys", "not set", "generate some")


def test_the_gravest_level_counts() -> None:
    assert worst([]) == worst([OK]) == "ok"
    assert worst([OK, NOTE]) == "note"
    assert worst([WARNING, NOTE]) == "warning"
    assert worst([OK, ERROR, WARNING]) == "error"


def test_a_line_has_the_remedy_below_it() -> None:
    assert OK.line() == "ok    kafka: is there"
    assert ERROR.line() == "ERROR keys: not set\n      → generate some"


def test_json_has_every_field() -> None:
    assert as_json([NOTE]) == [{"level": "note", "about": "java", "what": "none", "remedy": "only dev needs it"}]


def test_columns_are_aligned_and_numbers_stand_right() -> None:
    shown = columns(("NAME", "TPS", "NOTE"), [("alpha", 7, ""), ("b", 250.5, "up")])
    assert shown.splitlines() == ["NAME     TPS  NOTE", "alpha      7  -", "b      250.5  up"]


def test_columns_without_rows_are_a_header() -> None:
    assert columns(("A", "B"), []) == "A  B"
