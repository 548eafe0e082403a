"""The queries of `queries/*.sql`: each has a name and a comment that says what it is for, and is used somewhere.

A query begins with `-- name: <name>`; the comment lines after it are its documentation. `{leaf}` stands for a daily
partition (store.partitions), `{where}` and `{which}` for conditions of store.reads and store.lists: nothing else is put into
a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "queries"
_LEAF: Final = re.compile(r"^(messages|submissions)_([0-9]{8}|default)$")


@dataclass(frozen=True)
class Query:
    """One statement. `file` and `comment` are for people."""

    name: str
    file: str
    comment: str
    text: str

    @cached_property
    def of_leaf(self) -> bool:
        return "{leaf}" in self.text

    def on(self, leaf: str) -> str:
        """The text for one daily partition. Raises ValueError for what is no name of one."""
        return _on(self.text, leaf)


@lru_cache(maxsize=4096)
def _on(text: str, leaf: str) -> str:
    if not _LEAF.match(leaf):
        raise ValueError(f"{leaf!r} is no daily partition")
    return text.replace("{leaf}", leaf)


def _read(file: Path) -> Iterator[Query]:
    head, *chunks = re.split(r"^-- name: ", file.read_text(), flags=re.MULTILINE)
    if any(line and not line.startswith("--") for line in head.splitlines()):
        raise ValueError(f"{file.name} begins with a query without a name")
    for chunk in chunks:
        name, _, rest = chunk.partition("\n")
        lines = rest.splitlines()
        count = next((at for at, line in enumerate(lines) if not line.startswith("--")), len(lines))
        comment = " ".join(line.removeprefix("--").strip() for line in lines[:count])
        yield Query(name.strip(), file.name, comment, "\n".join(lines[count:]).strip().removesuffix(";"))


def read_queries(folder: Path = FOLDER) -> dict[str, Query]:
    """All queries by name. Raises ValueError for a name that is there twice."""
    found: dict[str, Query] = {}
    for file in sorted(folder.glob("*.sql")):
        for query in _read(file):
            if query.name in found:
                raise ValueError(f"two queries are called {query.name}")
            found[query.name] = query
    return found


QUERIES: Final = read_queries()


def sql(name: str) -> str:
    """The text of a query. Raises KeyError."""
    return QUERIES[name].text


def sql_on(name: str, leaf: str) -> str:
    """The text of a query on one daily partition. Raises KeyError, ValueError."""
    return QUERIES[name].on(leaf)
