"""Aligned columns for lists: no colours, no lines, so that `grep` and `awk` work on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def columns(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lines, each column as wide as its widest cell; numbers are set to the right."""
    table = [list(header), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[at]) for row in table) for at in range(len(header))]
    numeric = [_is_numeric(table[1:], at) for at in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in table
    )


def _cell(value: object) -> str:
    return "-" if value is None or value == "" else str(value)


def _is_numeric(rows: Sequence[Sequence[str]], at: int) -> bool:
    return bool(rows) and all(row[at].replace(".", "", 1).isdigit() or row[at] == "-" for row in rows)
