"""Small pieces of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def page(title: str, source: str, *parts: str) -> str:
    """A whole page. `source`: the definition that it is made from."""
    head = f"# {title}\n\n<!-- Made by `python -m docs.generate` from {source}. Do not edit: change the definition. -->"
    return "\n\n".join([head, *(part.strip("\n") for part in parts if part)]) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; `|` in cells is escaped."""
    lines = [_line(header), _line(["---"] * len(header))]
    return "\n".join([*lines, *(_line(row) for row in rows)])


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def code(value: object) -> str:
    """Inline code; nothing for an empty value."""
    text = str(value)
    return f"`{text}`" if text else ""
