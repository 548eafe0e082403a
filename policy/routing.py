"""Which carrier takes a message: longest prefix, class, then a weighted choice that the message id decides.

The choice hashes what a repeat of the id shares (schemas.ids.identity), so a repeat meets the same lane, which drops it.
A carrier that is not well gets a share of what is its own (policy.ramp); the rest goes to the others, by other bits of the id:
no message moves that was not its own, and while shares stay, a repeat meets the same lane still.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate
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
    """Routes compiled for look-up. Built anew when carriers.toml, the switches or the shares change.

    `closed`: carriers that get no new traffic now (paused by nobody's fault is not closed: their queue holds).
    `shares`: how much of their own traffic carriers get, from 0 to 1; who is not named gets all. Where nobody else of the
    route can take it, the first choice keeps it whatever its share: its queue waits.
    """

    def __init__(
        self, book: CarrierBook, closed: Iterable[str] = (), shares: Mapping[str, float] | None = None
    ) -> None:
        self._carriers = book.carriers
        self._closed = frozenset(closed)
        self._shares = {name: share for name, share in (shares or {}).items() if share < 1}
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
        # Each carrier once: after a failure none is tried a second time by another name of the same route.
        spare = tuple(dict.fromkeys(name for name in fallback if allowed(name) and name not in open_weights))
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
                name = self._pick(entry, identity)
                if name in self._shares:
                    name = self._or_another(name, entry, identity)
                return Choice(self._carriers[name], self._after(entry, name))
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

    def _or_another(self, name: str, entry: _Entry, identity: bytes) -> str:
        # Three bytes that are random in ids of both versions, and that `_pick` does not look at.
        luck = int.from_bytes(identity[3:6], "big") / (1 << 24)
        if luck < self._shares[name]:
            return name
        others = [each for each in entry.names if each != name]
        weights = [self._weight(entry, each) * self._shares.get(each, 1.0) for each in others]
        if sum(weights) > 0:
            # What `_pick` divided out of the same bytes is as random as what it left.
            most = (1 << 32) // entry.total + 1
            point = int.from_bytes(identity[-4:], "big") // entry.total / most * sum(weights)
            for each, bound in zip(others, accumulate(weights), strict=True):
                if point < bound:
                    return each
        spare = [each for each in entry.fallback if self._shares.get(each, 1.0) > 0]
        return next((each for each in spare if luck < self._shares.get(each, 1.0)), spare[0] if spare else name)

    @staticmethod
    def _weight(entry: _Entry, name: str) -> int:
        at = entry.names.index(name)
        return entry.bounds[at] - (entry.bounds[at - 1] if at else 0)

    @staticmethod
    def _after(entry: _Entry, chosen: str) -> tuple[str, ...]:
        if len(entry.names) == 1 and chosen == entry.names[0]:
            return entry.fallback
        return tuple(name for name in entry.names + entry.fallback if name != chosen)
