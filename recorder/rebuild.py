"""The projection anew, from what Kafka has: reads every partition from its beginning up to where it ends now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bus.ports import Reader, TopicPartition
from recorder.batches import Decoder
from recorder.feed import Feed, Gathering
from recorder.projector import Projector
from recorder.role import load_positions
from recorder.sources import Sources
from runtime.clock import Clock
from runtime.errors import ConfigError
from runtime.logs import logger
from store.projection import Projection
from store.rebuild import is_empty, truncate

log = logger("recorder.rebuild")
QUIET_S = 0.5


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild did. `waiting`: receipts whose submission is not in Kafka any more, or not yet."""

    records: int
    waiting: bool


async def make_empty(dsn: str, force: bool) -> None:
    """Truncates the projection. Raises ConfigError when it is not empty and that was not forced; UnavailableError."""
    if not force and not await is_empty(dsn):
        raise ConfigError(
            "the database is not empty", "name an empty one with --into, or say --force: what it holds is then dropped"
        )
    await truncate(dsn)


async def rebuild(
    sources: Sources,
    projection: Projection,
    projector: Projector,
    decoder: Decoder,
    reader: Reader,
    gathering: Gathering,
    clock: Clock,
) -> Rebuilt:
    """Returns when everything that Kafka held at the call is projected. Raises UnavailableError, Moved, ReadError."""
    positions = await load_positions(projection, reader, sources.all_partitions())
    feed = Feed(reader, decoder, positions, gathering, clock)
    await feed.start()
    try:
        ends = await reader.ends(positions)
        projected, count = dict(positions), 0
        while _behind(projected, ends, feed):
            batch = await feed.next(QUIET_S)
            if batch is None:
                if not feed.waiting and not any(reader.lag().values()):
                    # The end of a compacted log may be a gap that no record fills.
                    break
                continue
            await projector.project(batch)
            projected.update({tp: stop for tp, (_, stop) in batch.spans.items()})
            count += batch.count
            log.info("rebuilding", records=count, left=_behind(projected, ends, feed))
        await projector.retry_parked()
        return Rebuilt(count, projector.parked_left)
    finally:
        await feed.stop()


def _behind(projected: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int], feed: Feed) -> int:
    return sum(max(0, end - projected[tp]) for tp, end in ends.items() if tp not in feed.stopped)
