"""Reading what a new owner must know before it writes: the committed ledgers and the last outcomes (DESIGN §5, rule 7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bus.ports import Commit, Reader, TopicPartition
from dispatcher.history import History
from dispatcher.ledger import LedgerState, decode
from runtime.errors import OperatorError
from runtime.logs import logger
from schemas.codec import RecordError, decode_outcome
from schemas.records import Outcome

log = logger("dispatcher.takeover")

ReaderFactory = Callable[[str], Reader]
"""Makes a reader; the argument is a name for the broker's logs."""


class MissingLedgerError(OperatorError):
    """A queue without a ledger: starting at its beginning could send everything again (rule 14)."""

    def __init__(self, partitions: Sequence[TopicPartition], group: str) -> None:
        first = partitions[0]
        super().__init__(
            f"no ledger in the group {group} for {first.topic}[{first.partition}] ({len(partitions)} missing)",
            "run `smpp-dispatch topics` while no dispatcher of this carrier runs",
        )


def ledgers_of(commits: Mapping[TopicPartition, Commit | None], group: str) -> dict[TopicPartition, LedgerState]:
    """The ledgers in the group's commits. Raises MissingLedgerError, dispatcher.ledger.LedgerError."""
    missing = [tp for tp, commit in commits.items() if commit is None]
    if missing:
        raise MissingLedgerError(missing, group)
    return {tp: decode(commit) for tp, commit in commits.items() if commit is not None}


async def read_histories(
    make_reader: ReaderFactory, topic: str, lows: Mapping[int, Mapping[int, int]], most: int
) -> list[History]:
    """The last `most` outcomes of each partition, to the end as it is after this call began. `lows`: partition → class →
    the offset committed there."""
    reader = make_reader("history")
    wanted = [TopicPartition(topic, partition) for partition in lows]
    await reader.start(dict.fromkeys(wanted, 0))
    try:
        begins, ends = await reader.begins(wanted), await reader.ends(wanted)
        left = {}
        for tp in wanted:
            start = max(begins[tp], ends[tp] - most)
            reader.seek(tp, start)
            if start < ends[tp]:
                left[tp] = ends[tp]
            else:
                reader.pause([tp])
        histories = {tp: History(tp.partition, lows[tp.partition]) for tp in wanted}
        while left:
            for key, records in (await reader.poll(1.0, 5000)).items():
                tp = TopicPartition(*key)
                histories[tp].learn(_readable([record.value or b"" for record in records]))
                if records[-1].offset + 1 >= left.get(tp, 0) and tp in left:
                    del left[tp]
                    reader.pause([tp])
        return list(histories.values())
    finally:
        await reader.stop()


def _readable(values: Sequence[bytes]) -> list[Outcome]:
    """Outcomes; one that no version of us reads can't speak of a record of ours (ours are written by us)."""
    found = []
    for value in values:
        try:
            found.append(decode_outcome(value))
        except RecordError as fault:
            log.warning("outcome_not_read", fault=str(fault))
    return found
