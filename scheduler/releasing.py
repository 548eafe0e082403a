"""From messages that are due to records for Kafka: the decision, the carrier, the partition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from policy.gate import Facts
from policy.release import Later, Over, Reason, Release, release
from policy.retry import goes_elsewhere
from policy.routing import Router
from policy.transfer import made_over
from schemas import ids
from schemas.carriers import CarrierBook
from schemas.codec import decode_mt, encode
from schemas.records import Blocked, Canceled, Expired, MtMessage
from schemas.sealing import BlindIndex, Sealer, SealError, partition_of
from schemas.topics import Topics, intake_partition
from store import timeline
from store.schedule import Claim, Due, Fixed
from store.timeline import Entry

NOWHERE: Final = -1
"""Offset and lane of what was in no lane."""
UNKNOWN_AGAIN_MS: Final = 5_000
"""A message whose record is not projected yet."""
NO_CARRIER_AGAIN_MS: Final = 60_000
_TURNS: Final = frozenset(
    {
        timeline.QUEUED, timeline.SENT, timeline.REFUSED, timeline.IN_DOUBT, timeline.REROUTED, timeline.DEFERRED,
        timeline.STOPPED, timeline.DUPLICATE,
    }
)  # fmt: skip


class Releasing:
    """Decides for what is due. `book` gives carriers.toml as it is now."""

    def __init__(
        self, book: Callable[[], CarrierBook], topics: Topics, sealer: Sealer, index: BlindIndex, facts: Facts
    ) -> None:
        self._current = book
        self._book = book()
        self._router = Router(self._book)
        self._topics = topics
        self._sealer = sealer
        self._index = index
        self._facts = facts

    def decide(self, claim: Claim, now_ms: int) -> None:
        """Fills the claim: what is fixed, and what is put off."""
        if self._book is not self._current():
            self._book = self._current()
            self._router = Router(self._book)
        for due in claim.due:
            found = self._decide(due, now_ms)
            if isinstance(found, int):
                claim.put_off.append((due.id, found))
            else:
                claim.fixed.append(found)

    def _decide(self, due: Due, now_ms: int) -> Fixed | int:
        if due.record is None:
            return now_ms + UNKNOWN_AGAIN_MS
        message = decode_mt(due.record)
        reason: Reason = due.reason  # type: ignore[assignment]  # the recorder writes these words only
        elsewhere = reason == "retry" and goes_elsewhere(_last_code(due.entries), due.attempt)
        found = release(message, reason, due.attempt, due.hop, elsewhere, self._facts, now_ms)
        if isinstance(found, Later):
            return found.until_ms
        if isinstance(found, Over):
            return self._over(message, found, now_ms)
        return self._queued(found, now_ms)

    def _queued(self, found: Release, now_ms: int) -> Fixed | int:
        message = found.message
        try:
            content = self._sealer.open(message.id, message.sealed)
        except SealError:
            return self._over(message, Over("unreadable", message.attempt, message.hop), now_ms)
        known = message.carrier in self._book.carriers
        if found.elsewhere or not known:
            moved = self._elsewhere(message, content.destination, content.text)
            if moved is None and not known:
                return now_ms + NO_CARRIER_AGAIN_MS
            message = moved or message
        key = self._index.of(content.destination)
        part = partition_of(key, self._book.carriers[message.carrier].partitions)
        topic = self._topics.mt(message.carrier, message.cls)
        return Fixed(message.id, message.attempt, message.hop, topic, part, key, encode(message))

    def _elsewhere(self, message: MtMessage, destination: str, text: str) -> MtMessage | None:
        choice = self._router.route(destination, message.cls, ids.identity(message.id), message.test)
        if choice is None:
            return None
        ruled_out = {message.carrier, *message.tried}
        for name in (choice.carrier.name, *choice.fallback):
            if name not in ruled_out:
                to = self._book.carriers[name]
                moved = made_over(message, text, to, hop=message.hop, possible_duplicate=False)
                if moved is not None:
                    return moved
        return None

    def _over(self, message: MtMessage, over: Over, now_ms: int) -> Fixed:
        head = (message.id, message.cls, NOWHERE, now_ms, NOWHERE, over.attempt, over.hop)
        record: Expired | Canceled | Blocked
        if over.code == "expired":
            record = Expired(*head)
        elif over.code in ("canceled", "batch_canceled"):
            record = Canceled(*head, over.code)
        else:
            record = Blocked(*head, over.code)
        part = intake_partition(message.id)
        return Fixed(message.id, over.attempt, over.hop, self._topics.intake, part, message.id, encode(record))


def is_seen(fixed: Fixed, entries: Sequence[Entry]) -> bool:
    """Whether the projection knows of this turn."""
    return any(
        entry[0] in _TURNS and entry[2] == fixed.attempt and entry[3] == fixed.hop for entry in reversed(entries)
    )


def _last_code(entries: Sequence[Entry]) -> str:
    return next((entry[9] for entry in reversed(entries) if entry[0] == timeline.REFUSED), "")
