"""Every query is named, commented, and used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from store.named import FOLDER, QUERIES, read_queries, sql_on

ROOT = FOLDER.parent.parent
CODE = "\n".join(
    file.read_text() for room in ("store", "recorder", "scheduler", "webhooks") for file in (ROOT / room).glob("*.py")
)


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_query_says_what_it_is_for_and_somebody_uses_it(query) -> None:  # type: ignore[no-untyped-def]  # a Query
    assert query.comment.endswith(".")
    assert query.text
    assert ";" not in query.text, "one statement"
    assert re.search(rf'"{query.name}"', CODE), "nobody uses it"


def test_a_name_is_given_once(tmp_path: Path) -> None:
    for file in ("a.sql", "b.sql"):
        (tmp_path / file).write_text("-- name: one\n-- What it does.\nselect 1;\n")
    with pytest.raises(ValueError, match="two queries are called one"):
        read_queries(tmp_path)


def test_a_query_without_a_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("select 1;\n")
    with pytest.raises(ValueError, match="without a name"):
        read_queries(tmp_path)


def test_only_a_daily_partition_is_ever_put_into_a_text() -> None:
    assert "messages_20260131" in sql_on("load_messages", "messages_20260131")
    for name in ("messages", "messages_2026", "pg_class; drop table messages", "messages_default "):
        with pytest.raises(ValueError, match="no daily partition"):
            sql_on("load_messages", name)
