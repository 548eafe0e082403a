"""Receipts that nobody claims, held against messages that wait for evidence: what fits becomes `Resolved(sent)` in Kafka."""

from __future__ import annotations

from bus.ports import Entry, Publisher, TopicPartition
from policy.evidence import LONGEST_MS, Doubt, Unclaimed, settled_by
from runtime.logs import logger
from schemas.codec import encode
from schemas.records import Act, Resolved
from schemas.topics import Topics, intake_partition
from store.schedule import Schedule

log = logger("scheduler.evidence")
ACTOR = "scheduler"


class Evidence:
    """`look` may be called at any time, by any scheduler: to settle a doubt twice changes nothing."""

    def __init__(self, publisher: Publisher, topics: Topics) -> None:
        self._publisher = publisher
        self._topics = topics
        self._told: set[bytes] = set()

    async def look(self, schedule: Schedule, now_ms: int) -> None:
        """Raises UnavailableError."""
        doubts = await schedule.open_doubts()
        waiting = {doubt.carrier for doubt in doubts if doubt.waits}
        self._told &= {doubt.id for doubt in doubts}
        if not waiting:
            return
        since_ms = max(min(doubt.at_ms for doubt in doubts if doubt.waits) - 65_000, now_ms - LONGEST_MS)
        receipts = await schedule.unclaimed(sorted(waiting), since_ms)
        found = settled_by(
            [Doubt(doubt.id, doubt.carrier, doubt.check, doubt.at_ms, doubt.waits) for doubt in doubts],
            [Unclaimed(carrier, receipt.check, receipt.at_ms, name) for carrier, name, receipt in receipts],
        )
        accounts = {doubt.id: doubt.account for doubt in doubts}
        for id, name in found.items():
            if id not in self._told:
                self._told.add(id)
                self._tell(id, accounts[id], name, now_ms)

    def _tell(self, id: bytes, account: str, name: str, now_ms: int) -> None:
        act = Act(ACTOR, f"receipt {name} fits no other message", now_ms)
        entry: Entry = (id, encode(Resolved(act, id, account, "sent")))
        place = TopicPartition(self._topics.intake, intake_partition(id))
        log.info("evidence_found", receipt=name)
        self._publisher.publish(place.topic, place.partition, [entry], _unheard, lasting=True)


def _unheard(_fault: Exception | None) -> None:
    """Published for certain unless the process ends, and then another looks again."""
