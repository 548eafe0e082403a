"""The projection gives the same rows however Kafka's partitions are interleaved and cut into batches (DESIGN §1, §8)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policy.progress import Progress
from recorder.batches import Decoder
from recorder.projector import Projector
from recorder.sources import Sources
from runtime.clock import ManualClock
from schemas.records import DeadLetter
from schemas.status import Status
from store import timeline
from tests.property.recorder import logical
from tests.property.recorder.logs import BOOK, MODES, PARTITIONS, TOPICS, Log, cut, history_of
from tests.property.recorder.twin import MemoryProjection, Tables

SOURCES = Sources(TOPICS, dict.fromkeys(BOOK.carriers, PARTITIONS))
MANY = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


async def refuse_letters(letters: Sequence[DeadLetter]) -> None:
    raise AssertionError(letters)


async def project(batches: Sequence[Log], twice: bool = False) -> Tables:
    projection, clock = MemoryProjection(), ManualClock()
    decoder = Decoder(SOURCES)
    projector = Projector(projection, decoder, MODES, refuse_letters, clock)  # type: ignore[arg-type]  # the twin keeps to the same questions
    for batch in batches:
        starts = {tp: log[0].offset for tp, log in batch.items()}
        await projection.begin_positions({(tp.topic, tp.partition): at for tp, at in starts.items()})
        await projector.project(decoder.decode(batch, starts))
        clock.advance(0.3)
    for _ in range(3):
        clock.advance(1.0)
        await projector.retry_parked()
    return projection.tables


def compared(tables: Tables) -> dict[str, Any]:
    return {
        "messages": logical.messages(tables.messages),
        "submissions": logical.submissions(tables.submissions, tables.messages),
        "parked": sorted(tables.parked),
        "doubts": tables.doubts,
        "due": tables.due,
        "positions": tables.positions,
    }


randoms = st.randoms(use_true_random=False)


@MANY
@given(randoms, st.integers(1, 4))
def test_any_interleaving_and_any_batches_give_the_same_rows(random: Random, count: int) -> None:
    logs = history_of(random, count)
    whole = compared(asyncio.run(project([logs])))
    pieces = compared(asyncio.run(project(cut(random, logs))))
    assert pieces == whole


@MANY
@given(randoms, st.integers(1, 4))
def test_every_message_and_every_receipt_is_accounted_for(random: Random, count: int) -> None:
    tables = asyncio.run(project(cut(random, history_of(random, count))))
    assert not tables.parked
    for row in tables.messages.values():
        entries = timeline.unpack(row["timeline"], row["entries"])
        standing = Progress(entries).standing(MODES)
        assert (row["status"], row["error_code"]) == (standing.status, standing.code)
        assert row["account"] is not None
        due = Progress(entries).due(standing)
        assert (tables.due.get(row["id"]) or (0, 0))[:2] == (due or (0, 0))
    segments = [(row["id"], row["send"], row["part"]) for row in tables.submissions]
    assert len(segments) == len(set(segments))


@MANY
@given(randoms, st.integers(1, 2))
def test_a_status_moves_forward_only(random: Random, count: int) -> None:
    """A final one stays, unless another copy was delivered or the message was taken up again."""
    batches = cut(random, history_of(random, count))
    before: dict[bytes, dict[str, Any]] = {}
    for stop in range(1, len(batches) + 1):
        after = asyncio.run(project(batches[:stop])).messages
        for id, row in before.items():
            old, new = Status(row["status"]), Status(after[id]["status"])
            entries = timeline.unpack(after[id]["timeline"], after[id]["entries"])
            kinds = {entry[0] for entry in entries[row["entries"] :]}
            if old.is_final and new != old:
                assert old != Status.DELIVERED
                assert new == Status.DELIVERED or kinds & {timeline.QUEUED, timeline.SENT, timeline.REFUSED}
        before = after
