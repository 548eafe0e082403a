"""Slots that may go, in the order in which they go: otp before the rest, what goes again before what was never written."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from itertools import chain

from dispatcher.slots import Slot, SlotState
from schemas.classes import OTP


class SendQueue:
    """Slots settled meanwhile (a late answer) stay in it and are passed over."""

    def __init__(self) -> None:
        self._ready_otp: deque[Slot] = deque()
        self._ready_bulk: deque[Slot] = deque()
        self._again_otp: list[Slot] = []
        self._again_bulk: list[Slot] = []

    @property
    def fresh(self) -> int:
        """Slots that were never written."""
        return len(self._ready_otp) + len(self._ready_bulk)

    def ready(self, slot: Slot) -> None:
        """May be written for the first time."""
        slot.state = SlotState.READY
        (self._ready_otp if slot.place.cls == OTP else self._ready_bulk).append(slot)

    def again(self, slot: Slot) -> None:
        """Goes before what was never written, in its own order (rule 11)."""
        if slot.state is not SlotState.OUT:
            slot.state = SlotState.READY
        heappush(self._again_otp if slot.place.cls == OTP else self._again_bulk, slot)

    def waits(self, bulk: bool) -> bool:
        """Whether there may be something for `next`."""
        return bool(self._again_otp or self._ready_otp or (bulk and (self._again_bulk or self._ready_bulk)))

    def next(self, bulk: bool) -> Slot | None:
        """The slot whose turn it is; of all classes, or (`bulk` false) of otp only."""
        while True:
            if self._again_otp:
                slot = heappop(self._again_otp)
            elif self._ready_otp:
                slot = self._ready_otp.popleft()
            elif not bulk:
                return None
            elif self._again_bulk:
                slot = heappop(self._again_bulk)
            elif self._ready_bulk:
                slot = self._ready_bulk.popleft()
            else:
                return None
            if slot.state is SlotState.READY or (slot.state is SlotState.OUT and slot.todo):
                return slot

    def begun(self) -> Slot | None:
        """A long message of which some segments are out or accepted: what is left of it must follow, here."""
        for heap in (self._again_otp, self._again_bulk):
            for slot in heap:
                if slot.todo and (slot.pending or slot.started) and slot.state is SlotState.OUT:
                    heap.remove(slot)
                    heapify(heap)
                    return slot
        return None

    def unwritten(self) -> Iterator[Slot]:
        """Everything that waits, in no order; for looking, not for taking."""
        slots = chain(self._ready_otp, self._ready_bulk, self._again_otp, self._again_bulk)
        return (slot for slot in slots if slot.state is SlotState.READY)
