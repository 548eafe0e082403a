"""Empty ledgers for queues that nobody has owned yet (DESIGN §5, rule 14)."""

from __future__ import annotations

from bus.kafka_reader import KafkaReader
from bus.ports import TopicPartition
from bus.topics import GroupOffsets
from dispatcher.ledger import empty_commit
from runtime.errors import ConfigError
from schemas.carriers import Carrier
from schemas.classes import CLASS_NAMES
from schemas.topics import Topics


async def commit_empty_ledgers(bootstrap: str, topics: Topics, carrier: Carrier) -> int:
    """Commits an empty ledger for each queue of a carrier that has none; gives how many.

    A queue gets one at the begin of its log when that log never held a record, or when the carrier never had an outcome:
    nothing of it was ever sent. Otherwise a ledger that is gone must not be guessed (ConfigError).
    """
    group = topics.dispatch_group(carrier.name)
    queues = [
        TopicPartition(topics.mt(carrier.name, cls), partition)
        for cls in range(len(CLASS_NAMES))
        for partition in range(carrier.partitions)
    ]
    async with GroupOffsets(bootstrap) as offsets:
        known = await offsets.committed(group)
        missing = [queue for queue in queues if queue not in known]
        if not missing:
            return 0
        outcomes = [TopicPartition(topics.outcomes(carrier.name), partition) for partition in range(carrier.partitions)]
        begins, ends = await _bounds(bootstrap, missing + outcomes)
        used = [queue for queue in missing if ends[queue] != 0]
        if used and any(ends[partition] for partition in outcomes):
            raise ConfigError(
                f"{group} has no ledger for {used[0].topic}[{used[0].partition}], which has records",
                "its offsets were lost or deleted: see docs/runbooks/missing-ledger.md before anything is sent twice",
            )
        await offsets.commit(group, {queue: empty_commit(begins[queue]) for queue in missing})
        return len(missing)


async def _bounds(
    bootstrap: str, queues: list[TopicPartition]
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    reader = KafkaReader(bootstrap, "topics")
    await reader.start(dict.fromkeys(queues, 0))
    try:
        return dict(await reader.begins(queues)), dict(await reader.ends(queues))
    finally:
        await reader.stop()
