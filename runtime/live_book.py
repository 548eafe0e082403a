"""carriers.toml while the process runs: read again on SIGHUP and when it changes; carriers come, go and change."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from runtime.carriers_file import load_carriers
from runtime.errors import ConfigError
from runtime.logs import logger
from schemas.carriers import CarrierBook

log = logger("carriers")


class Changes(NamedTuple):
    """Names of carriers, by what became of them."""

    added: list[str]
    removed: list[str]
    changed: list[str]


class LiveBook:
    """The file as it was last read well. A file that can't be used is told of and changes nothing."""

    def __init__(
        self, path: str, environ: Mapping[str, str], check: Callable[[CarrierBook], Sequence[str]] = lambda _book: ()
    ) -> None:
        """`check`: what else is wrong in a file, as sentences. Raises ConfigError."""
        self._check = check
        self.fault: str | None = None
        self._path = Path(path)
        self._environ = environ
        self._stamp = self._now()
        self._book = self._load()

    def _load(self) -> CarrierBook:
        book = load_carriers(self._path, self._environ)
        wrong = self._check(book)
        if wrong:
            raise ConfigError(f"{self._path}: {wrong[0]}", "use a code of that list")
        return book

    def current(self) -> CarrierBook:
        return self._book

    def _now(self) -> tuple[int, int]:
        with contextlib.suppress(OSError):
            found = self._path.stat()
            return found.st_mtime_ns, found.st_size
        return (0, 0)

    def reread(self, force: bool = False) -> Changes | None:
        """What changed; None when nothing did. `force`: though the file looks the same (a variable may have changed)."""
        stamp = self._now()
        if stamp == self._stamp and not force:
            return None
        self._stamp = stamp
        try:
            book = self._load()
            _refuse_other_partitions(self._book, book)
        except ConfigError as fault:
            self.fault = f"{fault} (the carriers as they were before stay in use)"
            log.error("carriers_not_read", fault=str(fault))
            return None
        self.fault = None
        before, self._book = self._book, book
        changes = _compare(before, book)
        log.info("carriers_read", added=changes.added, removed=changes.removed, changed=changes.changed)
        return changes


def _compare(before: CarrierBook, after: CarrierBook) -> Changes:
    old, new = before.carriers, after.carriers
    return Changes(
        [name for name in new if name not in old],
        [name for name in old if name not in new],
        [name for name in new if name in old and new[name] != old[name]],
    )


def _refuse_other_partitions(before: CarrierBook, after: CarrierBook) -> None:
    for name, carrier in after.carriers.items():
        old = before.carriers.get(name)
        if old is not None and old.partitions != carrier.partitions:
            raise ConfigError(
                f"carrier {name}: partitions are for ever ({old.partitions}, not {carrier.partitions})",
                "set it back; a destination's messages would change their partition",
            )
