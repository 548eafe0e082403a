"""The Kafka records: fields in the order in which they travel, from the source text, since that is where their sentences are."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from docs.generate.markdown import code, page, table
from schemas import records


class Field(NamedTuple):
    """One field of a struct."""

    name: str
    kind: str
    default: str
    sentence: str


def records_page() -> str:
    tree = ast.parse(Path(records.__file__).read_text())
    parts = [
        "Values are msgpack arrays: the tag, then the fields in this order (structs without a tag are parts of others). New fields"
        " come at the end, with a default; a change that old readers would misread is a new tag. Readers are deployed before"
        " writers. Times are Unix milliseconds, money is millionths of the currency's unit, ids are 16 bytes."
    ]
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name != "Record":
            fields = list(_fields(node))
            tag = next((keyword.value for keyword in node.keywords if keyword.arg == "tag"), None)
            title = f"## {node.name}" + (f" (tag {ast.unparse(tag)})" if tag is not None else "")
            rows = [
                (index, code(each.name), code(each.kind), code(each.default), each.sentence) for index, each in fields
            ]
            header = ("place", "field", "type", "default", "what it is")
            parts += [f"{title}\n\n{ast.get_docstring(node) or ''}", table(header, rows)]
    return page("Kafka records", "schemas/records.py", *parts)


def _fields(node: ast.ClassDef) -> Iterator[tuple[int, Field]]:
    place = 1 if any(keyword.arg == "tag" for keyword in node.keywords) else 0
    for at, statement in enumerate(node.body):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            after = node.body[at + 1] if at + 1 < len(node.body) else None
            default = ast.unparse(statement.value) if statement.value is not None else ""
            yield place, Field(statement.target.id, ast.unparse(statement.annotation), default, _sentence(after))
            place += 1


def _sentence(statement: ast.stmt | None) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        text = statement.value.value
        return " ".join(text.split()) if isinstance(text, str) else ""
    return ""
