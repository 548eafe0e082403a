"""What people do, into Kafka: switches and cancellations to `reference`, decisions about single messages to `intake`.

Each carries who, why and when; the recorder writes the audit log from it. None of it needs Postgres. Everything here may be
repeated without harm, so what Kafka did not confirm is answered 503 and done again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from api.intake import Caller
from api.posting import Posting
from api.problems import Refusal, refusal
from api.reference import ReferenceBook
from bus.ports import Entry, TopicPartition
from runtime.clock import Clock
from schemas.codec import encode
from schemas.records import Act, BatchSwitch, Cancellation, CarrierSwitch, ContentRead, Rescheduled, Resolved
from schemas.topics import Topics, intake_partition

CATCH_UP_S: Final = 2.0
Referred = CarrierSwitch | BatchSwitch | Cancellation
Noted = Resolved | Rescheduled | ContentRead


class Acts:
    """`catch_up` returns when `book` knows all that stood in `reference` at the call."""

    def __init__(
        self,
        posting: Posting,
        topics: Topics,
        book: ReferenceBook,
        clock: Clock,
        catch_up: Callable[[], Awaitable[None]],
    ) -> None:
        self._posting = posting
        self._topics = topics
        self._book = book
        self._clock = clock
        self._catch_up = catch_up
        self._one_by_one = asyncio.Lock()

    def act(self, caller: Caller, reason: str) -> Act:
        return Act(f"{caller.account}/{caller.key_id}", reason, self._clock.wall_ms())

    async def change(self, key: bytes, make: Callable[[], Referred]) -> None:
        """Publishes what `make` makes of the book, when the book knows everything that was said before. Raises what `make`
        raises, and Refusal (not_recorded)."""
        async with self._one_by_one:
            try:
                async with asyncio.timeout(CATCH_UP_S):
                    await self._catch_up()
            except Exception as fault:
                raise _unrecorded(
                    f"what is in force can't be read ({type(fault).__name__}); nothing was changed"
                ) from None
            await self.say(key, make())

    async def say(self, key: bytes, record: Referred) -> None:
        """Publishes to `reference`; this process knows it at once. Raises Refusal (not_recorded)."""
        self._check()
        value = encode(record)
        if await self._posting.post({TopicPartition(self._topics.reference, 0): [(key, value)]}):
            raise _unrecorded("Kafka did not confirm in time; it may take effect all the same")
        self._book.apply(key, value)

    async def note(self, records: Sequence[Noted]) -> set[bytes]:
        """Publishes to `intake`, all at once; gives the ids of which Kafka did not confirm the record. Raises Refusal
        (not_recorded) when it takes nothing at present."""
        self._check()
        queues: dict[TopicPartition, list[Entry]] = {}
        for record in records:
            place = TopicPartition(self._topics.intake, intake_partition(record.id))
            queues.setdefault(place, []).append((record.id, encode(record)))
        unknown = await self._posting.post(queues)
        return {key for place in unknown for key, _ in queues[place] if key is not None}

    async def note_one(self, record: Noted) -> None:
        """One record. Raises Refusal (not_recorded)."""
        if await self.note([record]):
            raise _unrecorded("Kafka did not confirm in time; it may take effect all the same")

    async def audit_reading(self, caller: Caller, request_id: str, ids: Sequence[bytes]) -> None:
        """Returns when Kafka keeps that these messages are shown to the caller. Raises Refusal (audit_unavailable): then
        nothing may be shown."""
        act = self.act(caller, f"request {request_id}")
        try:
            missing = await self.note([ContentRead(act, id, caller.account) for id in ids])
        except Refusal:
            missing = set(ids)
        if missing:
            raise refusal("audit_unavailable", "Kafka, which keeps who read what, did not confirm; nothing is shown")

    def _check(self) -> None:
        fault = self._posting.fault()
        if fault is not None:
            raise _unrecorded(f"{fault}; nothing was changed")


def _unrecorded(detail: str) -> Refusal:
    return refusal("not_recorded", detail)
