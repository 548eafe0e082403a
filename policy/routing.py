"""Which carrier takes a message: longest prefix, class, then a weighted choice that the message id decides.

The choice hashes what a repeat of the id shares (schemas.ids.identity), so a repeat meets the same lane, which drops it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from schemas.carriers import Carrier, CarrierBook


class Choice(NamedTuple):
    """The carrier for a message, and those to try after it, in order."""

    carrier: Carrier
    fallback: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    names: tuple[str, ...]
    bounds: tuple[int, ...]
    total: int
    fallback: tuple[str, ...]


class Router:
    """Routes compiled for look-up. Built anew when carriers.toml or the switches change.

    `closed`: carriers that get no new traffic now (paused by nobody's fault is not closed: their queue holds).
    """

    def __init__(self, book: CarrierBook, closed: Iterable[str] = ()) -> None:
        self._carriers = book.carriers
        self._closed = frozenset(closed)
        self._tables: dict[bool, tuple[dict[str, _Entry], ...]] = {}
        self._lengths = sorted({len(route.prefix) for route in book.routes}, reverse=True)
        for test in (False, True):
            self._tables[test] = tuple(self._table(book, cls, test) for cls in range(3))

    def _table(self, book: CarrierBook, cls: int, test: bool) -> dict[str, _Entry]:
        table: dict[str, _Entry] = {}
        for route in book.routes:
            if cls not in route.class_numbers:
                continue
            entry = self._entry(route.carriers, route.fallback, test)
            if entry is not None:
                table[route.prefix] = entry
        return table

    def _entry(self, weights: Mapping[str, int], fallback: tuple[str, ...], test: bool) -> _Entry | None:
        def allowed(name: str) -> bool:
            # A test key must never reach a real carrier; a live key may use a simulated one.
            return name not in self._closed and (self._carriers[name].test or not test)

        open_weights = {name: weight for name, weight in weights.items() if allowed(name)}
        spare = tuple(name for name in fallback if allowed(name))
        if not open_weights:
            if not spare:
                return None
            open_weights, spare = {spare[0]: 1}, spare[1:]
        bounds, total = [], 0
        for weight in open_weights.values():
            total += weight
            bounds.append(total)
        return _Entry(tuple(open_weights), tuple(bounds), total, spare)

    def route(self, digits: str, cls: int, identity: bytes, test: bool = False) -> Choice | None:
        """The carrier for `digits` (E.164 without plus); None when no route leads there."""
        table = self._tables[test][cls]
        for length in self._lengths:
            entry = table.get(digits[:length])
            if entry is not None:
                return Choice(self._carriers[self._pick(entry, identity)], self._after(entry, identity))
        return None

    @staticmethod
    def _pick(entry: _Entry, identity: bytes) -> str:
        if entry.total == entry.bounds[0]:
            return entry.names[0]
        point = int.from_bytes(identity[-4:], "big") % entry.total
        for name, bound in zip(entry.names, entry.bounds, strict=True):
            if point < bound:
                return name
        raise AssertionError("bounds cover the whole range")

    def _after(self, entry: _Entry, identity: bytes) -> tuple[str, ...]:
        if len(entry.names) == 1:
            return entry.fallback
        chosen = self._pick(entry, identity)
        return tuple(name for name in entry.names if name != chosen) + entry.fallback
