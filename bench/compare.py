"""Two results of `python -m bench`, side by side: every figure that both have, and the ratio.

    make bench-compare A=before.json B=after.json

Marked are changes of more than 15 %: on a shared machine less than that is noise, unless many runs say so. Settings that differ
are told first.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

NOISE: Final = 0.15


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", type=Path, help="the result before")
    parser.add_argument("b", type=Path, help="the result after")
    args = parser.parse_args()
    try:
        before, after = (json.loads(path.read_text()) for path in (args.a, args.b))
    except (OSError, ValueError) as fault:
        print(f"bench.compare: {fault}", file=sys.stderr)
        return 2
    for name, was, now in differing(before, after):
        print(f"{name:50} {was!s:>14} {now!s:>14}  settings differ")
    for name, old, new, ratio in compared(before, after):
        mark = " <<" if abs(ratio - 1) > NOISE else ""
        print(f"{name:50} {old:>14,.2f} {new:>14,.2f} {ratio:>7.2f}{mark}")
    return 0


def compared(before: dict[str, Any], after: dict[str, Any]) -> Iterator[tuple[str, float, float, float]]:
    """(name, before, after, after by before) of every number that both have and that is not 0."""
    theirs = dict(numbers(after))
    for name, old in numbers(before):
        if name in theirs and old:
            yield name, old, theirs[name], theirs[name] / old


def numbers(found: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a result, with the path to it; settings are no result."""
    if isinstance(found, dict):
        for key, value in found.items():
            if key != "settings":
                yield from numbers(value, f"{name}.{key}" if name else key)
    elif isinstance(found, int | float) and not isinstance(found, bool):
        yield name, float(found)


def differing(before: dict[str, Any], after: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(name, before, after) of every setting that both have and that is not the same."""
    theirs = dict(settings_of(after))
    for name, old in settings_of(before):
        new = theirs.get(name, {})
        for key in old:
            if key in new and new[key] != old[key]:
                yield f"{name}.{key}" if name else key, old[key], new[key]


def settings_of(found: Any, name: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(path, what it ran with) of every row, and of the parts of one that had their own; "": of all rows."""
    if isinstance(found, Mapping):
        for key, value in found.items():
            if key == "settings":
                yield name, value
            else:
                yield from settings_of(value, f"{name}.{key}" if name else key)


if __name__ == "__main__":
    sys.exit(main())
