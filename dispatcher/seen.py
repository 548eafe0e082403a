"""The seen-check (DESIGN §5, rule 9): what was submitted or listed before is not sent again.

Only what a producer can repeat is remembered: ids made from an Idempotency-Key, and attempts or hops after the first.
Each entry knows the record that it stands for, so that a record never counts as its own repeat. A dropped twin (`Duplicate`)
never enters: else a message whose first copy was in doubt could be only ever dropped.
"""

from __future__ import annotations

from typing import NamedTuple

from schemas import ids
from schemas.records import MtMessage


class Place(NamedTuple):
    """A record of a lane: class, partition, offset."""

    cls: int
    partition: int
    offset: int


Key = tuple[bytes, int, int]


def key_of(message_id: bytes, attempt: int, hop: int) -> Key | None:
    """What repeats of a message share; None when it can't be repeated."""
    if attempt > 1 or hop > 0 or ids.is_keyed(message_id):
        return ids.identity(message_id), attempt, hop
    return None


def key_of_message(message: MtMessage) -> Key | None:
    """As `key_of`, for a message."""
    return key_of(message.id, message.attempt, message.hop)


class Seen:
    """The keys of one partition, at most `most`, oldest forgotten first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._places: dict[Key, Place] = {}

    def __len__(self) -> int:
        return len(self._places)

    def add(self, key: Key, place: Place) -> None:
        """The first record of a key keeps it."""
        if key in self._places:
            return
        if len(self._places) >= self._most:
            del self._places[next(iter(self._places))]
        self._places[key] = place

    def other(self, key: Key, place: Place) -> bool:
        """Whether another record of this key was submitted or listed."""
        return self._places.get(key, place) != place
