"""The bytes of every version of every record that was ever written: `golden/<Name>.v<N>.hex`, and its fields in `.json`.

`python -m tests.unit.schemas.golden` writes files for records and versions that have none yet; it never touches one that is
there. A golden file is deleted by hand only, and only when no Kafka holds a record of that version any more.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from schemas.codec import encode
from schemas.records import Record
from tests.unit.schemas.samples import SAMPLES

FOLDER = Path(__file__).parent / "golden"
_FILE = re.compile(r"([A-Za-z]+)\.v([0-9]+)\.hex")


class Golden(NamedTuple):
    """One version of one record, as it stands in Kafka. `fields`: what it must decode to."""

    name: str
    version: int
    value: bytes
    fields: dict[str, Any]


def plain(value: Any) -> Any:
    """A record as JSON can hold it: structs as objects, bytes as `hex:…`, tuples as lists."""
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, bytes):
        return f"hex:{value.hex()}"
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value


def all_golden() -> list[Golden]:
    """Every golden file, by name and version."""
    found = []
    for path in FOLDER.glob("*.hex"):
        named = _FILE.fullmatch(path.name)
        assert named, f"{path.name} is not <Name>.v<N>.hex"
        fields = json.loads(path.with_suffix(".json").read_text())
        found.append(Golden(named[1], int(named[2]), bytes.fromhex(path.read_text()), fields))
    return sorted(found)


def newest(golden: list[Golden]) -> dict[str, Golden]:
    """The last version of each record."""
    return {entry.name: entry for entry in golden}


def missing(golden: list[Golden]) -> list[tuple[Record, int]]:
    """Samples that today's code writes and no golden file holds, with the version that each would be."""
    last = newest(golden)
    found = []
    for sample in SAMPLES:
        known = last.get(type(sample).__name__)
        if known is None or known.value != encode(sample):
            found.append((sample, known.version + 1 if known else 1))
    return found


def write(sample: Record, version: int) -> Path:
    """Raises FileExistsError rather than overwrite."""
    path = FOLDER / f"{type(sample).__name__}.v{version}.hex"
    with path.open("x") as file:
        text = encode(sample).hex()
        file.write("\n".join(text[at : at + 120] for at in range(0, len(text), 120)) + "\n")
    with path.with_suffix(".json").open("x") as file:
        file.write(json.dumps(plain(sample), indent=1, ensure_ascii=False) + "\n")
    return path


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for sample, version in missing(all_golden()):
        print(write(sample, version))


if __name__ == "__main__":
    main()
