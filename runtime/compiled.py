"""The hot modules as `make compile` made them: the same sources, through mypyc. Used where they are there and up to date.

The modules as written are what tests and tools see; a process says `use` before it imports the first of them.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

from runtime.errors import ConfigError

ROOT: Final = Path(__file__).resolve().parents[1]
"""Where the rooms are: the repository, or site-packages."""
PLACE: Final = "_compiled"
STAMP: Final = "stamp.json"
SETTING: Final = "SMPPD_COMPILED"
REMEDY: Final = "`make compile` makes them; SMPPD_COMPILED=no goes without"

state = "no: nobody asked"
"""Whether this process runs compiled modules, for logs and people."""


class Finder(MetaPathFinder):
    """Finds a module in a folder of shared libraries instead of beside its room."""

    def __init__(self, folder: Path) -> None:
        self._places = {_name(file.relative_to(folder)): file for file in folder.rglob(f"*{EXTENSION_SUFFIXES[0]}")}

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._places)

    def find_spec(
        self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        place = self._places.get(name)
        return None if place is None else spec_from_file_location(name, place)


def use(environ: Mapping[str, str], root: Path = ROOT) -> None:
    """Takes the compiled modules from now on, if SMPPD_COMPILED is not `no`. With `yes` they must be there.

    Raises ConfigError: they are not, or the setting is none of yes, no, auto; RuntimeError when one of them was imported already.
    """
    global state  # noqa: PLW0603 - of the process, like sys.meta_path
    wish = environ.get(SETTING, "auto")
    if wish not in {"yes", "no", "auto"}:
        raise ConfigError(f"{SETTING} is wrong", "it is yes, no or auto")
    if any(isinstance(finder, Finder) for finder in sys.meta_path):
        return
    fault = f"{SETTING}=no" if wish == "no" else unfit(root)
    if fault:
        if wish == "yes":
            raise ConfigError(f"compiled modules can't be used: {fault}", REMEDY)
        state = f"no: {fault}"
        return
    finder = Finder(root / PLACE)
    early = finder.names.intersection(sys.modules)
    if early:
        raise RuntimeError(f"imported before the compiled ones were asked for: {', '.join(sorted(early))}")
    sys.meta_path.insert(0, finder)
    state = f"yes: {len(finder.names)} modules"


def unfit(root: Path) -> str:
    """Why what is compiled there can't be used; empty if it can."""
    try:
        stamp = json.loads((root / PLACE / STAMP).read_bytes())
    except (OSError, ValueError):
        return "nothing is compiled"
    if not isinstance(stamp, dict):
        return "nothing is compiled"
    if stamp.get("suffix") != EXTENSION_SUFFIXES[0]:
        return "compiled for another Python"
    if stamp.get("sources") != digest(root, stamp.get("rooms", ())):
        return "compiled from other sources"
    return ""


def digest(root: Path, rooms: Iterable[str]) -> str:
    """Of all sources of these rooms: a compiled module holds constants and layouts of those that it imports, too."""
    found = hashlib.sha256()
    for room in sorted(rooms):
        for file in sorted((root / room).rglob("*.py")):
            found.update(f"{file.relative_to(root)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()


def _name(file: Path) -> str:
    return file.as_posix().removesuffix(EXTENSION_SUFFIXES[0]).replace("/", ".")
