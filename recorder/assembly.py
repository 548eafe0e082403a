"""Puts the parts of a recorder together, from settings, carriers and what topics there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bus.assignor import Claim
from bus.kafka_member import KafkaMember
from bus.kafka_publisher import KafkaPublisher
from bus.kafka_reader import KafkaReader
from bus.ports import GroupListener
from bus.topics import check_partitions, existing_partitions
from policy.status import ReceiptMode
from recorder.batches import Decoder
from recorder.dead_letters import DeadLetters
from recorder.feed import Gathering
from recorder.housekeeping import Housekeeping
from recorder.projector import Projector
from recorder.rebuild import Rebuilt, make_empty, rebuild
from recorder.role import Recorder
from recorder.sources import UNITS, Sources, carriers_to_read
from runtime import collector
from runtime.clock import SystemClock
from runtime.errors import ConfigError
from runtime.logs import logger
from runtime.settings import Settings
from schemas.carriers import CarrierBook
from schemas.records import DeadLetter
from schemas.topics import Topics
from store.projection import Projection
from store.upkeep import Upkeep

log = logger("recorder")
GATHER_MS: Final = 50
FETCH_BYTES: Final = 64 * 1024
"""Of a partition at a time: what all of them may hold unread, while Postgres is away or slow."""
HOLD_S: Final = 0.4
"""Until a message that nothing came of is seen as queued; under load, BUSY_HOLD_S."""
BUSY_HOLD_S: Final = 4.0
"""Longer than a message is on its way under load: at 5 s, held for 2 s, 276,000 of 319,000 rows were written twice, and the slower
that made it the more."""
BUSY_WAIT_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Works:
    """One recorder and what it needs. Nothing is connected yet."""

    sources: Sources
    projection: Projection
    projector: Projector
    recorder: Recorder
    housekeeping: Housekeeping
    dead_letters: DeadLetters

    async def stop(self) -> None:
        """When the tasks of `recorder` and `housekeeping` have ended."""
        await self.recorder.stop()
        await self.housekeeping.stop()
        await self.dead_letters.stop()


class TopicMissing(Exception):
    """A topic of a carrier is not there yet."""


def modes_of(book: CarrierBook) -> dict[str, ReceiptMode]:
    """For which segments each carrier sends receipts."""
    return {name: carrier.receipts for name, carrier in book.carriers.items()}


async def find_sources(settings: Settings, book: CarrierBook) -> Sources:
    """The topics to read. Raises TopicMissing, ConfigError (other partitions than the file tells), UnavailableError.

    More partitions than the file tells of would hold records that nobody reads.
    """
    topics = Topics(settings.topic_prefix)
    wanted = {name: carrier.partitions for name, carrier in book.carriers.items()}
    specs = topics.all(wanted.items())
    existing = await existing_partitions(settings.kafka_bootstrap)
    check_partitions(specs, existing)
    missing = next((spec.name for spec in specs if spec.name not in existing), None)
    if missing is not None:
        raise TopicMissing(f"the Kafka topic {missing} is missing: run `smpp-dispatch topics`")
    return Sources(topics, carriers_to_read(topics, wanted, existing))


def assemble(settings: Settings, book: CarrierBook, sources: Sources) -> Works:
    """A recorder over these topics."""
    clock, topics = SystemClock(), Topics(settings.topic_prefix)
    decoder = Decoder(sources)
    dead_letters = DeadLetters(
        lambda: KafkaPublisher(settings.kafka_bootstrap, f"{settings.instance_id}-recorder"), topics
    )
    projection = Projection(settings.postgres_dsn)
    projector = Projector(projection, decoder, modes_of(book), dead_letters, clock)
    recorder = Recorder(
        sources,
        projection,
        projector,
        decoder,
        lambda: reader(settings),
        lambda listener: member(settings, sources, topics, listener),
        Gathering(settings.recorder_batch_records, settings.recorder_batch_ms / 1000, HOLD_S, BUSY_WAIT_S, BUSY_HOLD_S),
        clock,
    )
    housekeeping = Housekeeping(
        Upkeep(settings.postgres_dsn),
        Projection(settings.postgres_dsn, "upkeep"),
        book,
        topics,
        settings.kafka_bootstrap,
        settings.retention_days,
        clock,
        projector.receipts_wait,
    )
    return Works(sources, projection, projector, recorder, housekeeping, dead_letters)


def reader(settings: Settings) -> KafkaReader:
    """What is read ahead while Postgres is away is at most its fetch size times the partitions."""
    name = f"{settings.instance_id}-recorder"
    return KafkaReader(settings.kafka_bootstrap, name, fetch_bytes=FETCH_BYTES, gather_ms=GATHER_MS)


def member(settings: Settings, sources: Sources, topics: Topics, listener: GroupListener) -> KafkaMember:
    """Static: a recorder that restarts within the session timeout has its share back at once."""
    claim = Claim(f"{settings.instance_id}-recorder", sources.fingerprint, UNITS)
    return KafkaMember(
        settings.kafka_bootstrap,
        topics.recorder_group,
        sources.names,
        claim,
        listener,
        session_timeout_ms=settings.kafka_session_timeout_ms,
    )


async def run_rebuild(settings: Settings, book: CarrierBook, dsn: str, force: bool) -> Rebuilt:
    """Raises ConfigError when the database is not empty and that is not forced; UnavailableError."""
    collector.calm()
    try:
        sources = await find_sources(settings, book)
    except TopicMissing as fault:
        raise ConfigError(str(fault)) from None
    await make_empty(dsn, force)
    clock = SystemClock()
    decoder = Decoder(sources)
    projection = Projection(dsn, "rebuild")
    projector = Projector(projection, decoder, modes_of(book), _is_set_aside, clock, observe=False)
    gathering = Gathering(settings.recorder_batch_records, 0.0, HOLD_S, 0.0, BUSY_HOLD_S)
    try:
        return await rebuild(sources, projection, projector, decoder, reader(settings), gathering, clock)
    finally:
        await projection.close()


async def _is_set_aside(letters: Sequence[DeadLetter]) -> None:
    """The live recorder has published them: a rebuild writes nothing to Kafka."""
    for letter in letters:
        log.warning("record_passed_over", topic=letter.topic, partition=letter.partition, offset=letter.offset)
