"""The seen-check (DESIGN §5, rule 9): what was submitted or listed before is not sent again.

Only what a producer can repeat is remembered: ids made from an Idempotency-Key, and attempts or hops after the first.
Each entry knows the record that it stands for, so that a record never counts as its own repeat. A dropped twin (`Duplicate`)
never enters: else a message whose first copy was in doubt could be only ever dropped.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from schemas import ids
from schemas.records import MtMessage


class Place(NamedTuple):
    """A record of a lane: class, partition, offset."""

    cls: int
    partition: int
    offset: int


Key = bytes
"""Bytes, since there are hundreds of thousands of them in a process: a tuple takes more than twice the memory."""
_GENERATIONS: Final = 4


def key_of(message_id: bytes, attempt: int, hop: int) -> Key | None:
    """What repeats of a message share; None when it can't be repeated."""
    if attempt > 1 or hop > 0:
        return ids.identity(message_id) + b"%d/%d" % (attempt, hop)
    return ids.identity(message_id) if ids.is_keyed(message_id) else None


def key_of_message(message: MtMessage) -> Key | None:
    """As `key_of`, for a message."""
    return key_of(message.id, message.attempt, message.hop)


class Seen:
    """The keys of one partition, at most `most`, oldest forgotten first: a quarter of them at a time, for a dict that loses
    its first entries one by one searches longer and longer for the next, and takes more memory. 105 bytes a key (measured;
    with tuples it was 240 to 277).
    """

    def __init__(self, most: int) -> None:
        self._generations: tuple[dict[Key, int], ...] = tuple({} for _ in range(min(_GENERATIONS, most)))
        """Newest first. A place is its offset and class in one number; the partition is the same for all."""
        self._most = most // len(self._generations)

    def __len__(self) -> int:
        return sum(map(len, self._generations))

    def add(self, key: Key, place: Place) -> None:
        """The first record of a key keeps it."""
        if self._find(key) is not None:
            return
        if len(self._generations[0]) >= self._most:
            self._generations = ({}, *self._generations[:-1])
        self._generations[0][key] = place.offset << 2 | place.cls

    def other(self, key: Key, place: Place) -> bool:
        """Whether another record of this key was submitted or listed."""
        found = self._find(key)
        return found is not None and found != place.offset << 2 | place.cls

    def _find(self, key: Key) -> int | None:
        for generation in self._generations:
            found = generation.get(key)
            if found is not None:
                return found
        return None
