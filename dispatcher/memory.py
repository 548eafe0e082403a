"""What a lane knows of its records: slots made from them, keys that were seen, what the history settled, where a newer
release wrote something that this one must not skip."""

from __future__ import annotations

from collections.abc import Iterable

from bus.ports import StoredRecord
from dispatcher.history import History
from dispatcher.reservations import Where
from dispatcher.seen import Place, Seen, key_of_message
from dispatcher.slots import Slot
from schemas.codec import NewerRecord, UnreadableRecord, decode_mt


class Memory:
    """`history`: most seen-keys a partition."""

    def __init__(self, history: int) -> None:
        self.stuck: dict[Where, str] = {}
        """Queues with a record of a newer release: not read on until one runs here."""
        self._history = history
        self._seen: dict[int, Seen] = {}
        self._settled: dict[Where, dict[int, bytes]] = {}
        self._order = 0

    def learn(self, histories: Iterable[History]) -> None:
        """What the last outcomes said, when the lane is taken."""
        for history in histories:
            known = self._seen[history.partition] = Seen(self._history)
            for key, place in history.seen:
                known.add(key, place)
            for cls, settled in history.settled.items():
                self._settled[cls, history.partition] = settled

    def slot(self, where: Where, record: StoredRecord) -> Slot | None:
        """The slot of a record; None when its queue is stuck at a record of a newer release."""
        if where in self.stuck:
            return None
        try:
            message = decode_mt(record.value or b"")
        except NewerRecord as newer:
            self.stuck[where] = str(newer)
            return None
        except UnreadableRecord as fault:
            slot = self.missing(where, record.offset, str(fault))
            slot.raw = record
            return slot
        self._order += 1
        slot = Slot(Place(*where, record.offset), message, key_of_message(message), self._order)
        slot.raw = record
        return slot

    def missing(self, where: Where, offset: int, fault: str) -> Slot:
        """A slot without a message: it can only be told of."""
        self._order += 1
        slot = Slot(Place(*where, offset), None, None, self._order)
        slot.fault = fault
        return slot

    def was_settled(self, slot: Slot) -> bool:
        """Whether the history has the outcome of this very message at this offset."""
        cls, partition, offset = slot.place
        known = self._settled.get((cls, partition), {}).get(offset)
        return known is not None and known == (slot.message.id if slot.message is not None else b"")

    def seen_before(self, slot: Slot) -> bool:
        """Whether another record of the same key was submitted or listed (rule 9)."""
        seen = self._seen.get(slot.place.partition)
        return seen is not None and slot.key is not None and seen.other(slot.key, slot.place)

    def remember(self, slot: Slot) -> None:
        if slot.key is not None:
            partition = slot.place.partition
            seen = self._seen.get(partition)
            if seen is None:
                seen = self._seen[partition] = Seen(self._history)
            seen.add(slot.key, slot.place)
