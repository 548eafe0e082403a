"""What the projector does when something is in the way, over the in-memory twins of Kafka and Postgres."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from bus.memory import MemoryRecord
from bus.ports import TopicPartition
from recorder.batches import Batch, Decoder
from recorder.projector import MOST_TRIES, Projector, pause_ms
from recorder.sources import Sources
from runtime.clock import ManualClock
from runtime.errors import UnavailableError
from runtime.metrics import ACCEPT_TO_FINAL
from schemas import ids
from schemas.codec import encode
from schemas.ids import DAY_MS
from schemas.records import DeadLetter, MtMessage, Receipt, Record, SubmitOutcome
from schemas.status import Status
from schemas.topics import Topics
from smpp.states import MessageState
from store.transaction import Conflict, Moved
from tests.property.recorder.twin import MemoryProjection, Tables

TOPICS = Topics("u-")
MT, OUT = TopicPartition(TOPICS.mt("alpha", 0), 0), TopicPartition(TOPICS.outcomes("alpha"), 0)
CLOCK = ManualClock()
NOW = CLOCK.wall_ms()


class Bench:
    """A projector over the twin, and the records that were set aside."""

    def __init__(self) -> None:
        self.projection = MemoryProjection()
        self.clock = ManualClock()
        self.letters: list[DeadLetter] = []
        self.decoder = Decoder(Sources(TOPICS, {"alpha": 2}))
        self.projector = Projector(
            self.projection,  # type: ignore[arg-type]  # the twin keeps to the same questions
            self.decoder,
            {"alpha": "each"},
            self.set_aside,
            self.clock,
        )
        self.next: dict[TopicPartition, int] = {}

    async def set_aside(self, letters: Sequence[DeadLetter]) -> None:
        self.letters += letters

    @property
    def tables(self) -> Tables:
        return self.projection.tables

    def batch(self, records: dict[TopicPartition, Sequence[Record | bytes]]) -> Batch:
        found, starts = {}, {}
        for tp, some in records.items():
            start = starts[tp] = self.next.get(tp, 0)
            values = [record if isinstance(record, bytes) else encode(record) for record in some]
            found[tp] = [MemoryRecord(start + at, NOW, None, value) for at, value in enumerate(values)]
            self.next[tp] = start + len(some)
            self.tables.positions.setdefault((tp.topic, tp.partition), start)
        return self.decoder.decode(found, starts)

    async def project(self, records: dict[TopicPartition, Sequence[Record | bytes]]) -> None:
        await self.projector.project(self.batch(records))

    def message(self, id: bytes) -> dict[str, Any]:
        return self.tables.messages[id]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def message(at_ms: int = NOW, **changes: object) -> MtMessage:
    id = ids.random_ids(at_ms, os.urandom(10))[0]
    plain = MtMessage(id, "shop", 0, "alpha", b"s", b"i" * 16, at_ms, at_ms + 9, 1, 0, 0, 3, 5, "USD")
    return msgspec.structs.replace(plain, **changes)


def outcome(of: MtMessage, *parts: str, at_ms: int = NOW + 5, **changes: object) -> SubmitOutcome:
    plain = SubmitOutcome(of.id, 0, 0, at_ms, 0, 1, 0, at_ms - 1, "", 0, parts or ("a1",), None, 77)
    return msgspec.structs.replace(plain, **changes)


def receipt(*keys: str, at_ms: int = NOW + 50, state: int = MessageState.DELIVRD, **changes: object) -> Receipt:
    plain = Receipt(at_ms, 0, keys[0] if keys else "", keys, int(state), "", 0, b"i" * 16, 77)
    return msgspec.structs.replace(plain, **changes)


async def test_a_message_accepted_sent_and_delivered_in_one_batch_is_one_insert(bench: Bench) -> None:
    one = message()
    await bench.project({MT: [one], OUT: [outcome(one), receipt("a1")]})
    row = bench.message(one.id)
    assert (row["status"], row["rev"], row["entries"], row["smsc_ids"]) == (Status.DELIVERED, 0, 3, "a1")
    assert (row["account"], row["price_micros"], row["record"]) == ("shop", 5, encode(one))


async def test_only_the_poison_record_of_a_batch_is_set_aside(bench: Bench) -> None:
    good = [message(client_ref=f"o-{number}") for number in range(30)]
    bench.projection.refused = {"bad"}
    bad = message(client_ref="bad")
    await bench.project({MT: [*good[:17], bad, *good[17:]], OUT: [outcome(good[20])]})
    assert set(bench.tables.messages) == {one.id for one in good}
    assert bench.message(good[20].id)["status"] == Status.SENT
    (letter,) = bench.letters
    assert (letter.topic, letter.offset, letter.value) == (MT.topic, 17, encode(bad))
    assert "can't be projected" in letter.reason
    assert bench.tables.positions == {tuple(MT): 31, tuple(OUT): 1}


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"\x90",
        b"not msgpack at all",
        message(id=b"short"),
        message(accepted_ms=2**63),
        message(segments=2**15),
        message(attempt=2**15),
        message(price_micros=-(2**63)),
    ],
)
async def test_a_record_that_no_row_can_hold_does_not_block(bench: Bench, record: Record | bytes) -> None:
    after = message()
    await bench.project({MT: [record, after]})
    assert after.id in bench.tables.messages
    assert bench.tables.positions == {tuple(MT): 2}
    assert len(bench.letters) + len(bench.tables.messages) == 2


async def test_texts_from_outside_are_cleaned_of_what_postgres_refuses(bench: Bench) -> None:
    one = message(client_ref="a\0b")
    await bench.project(
        {MT: [one], OUT: [outcome(one, "x\0y"), receipt("x\0y", error="\0", state=MessageState.UNDELIV)]}
    )
    row = bench.message(one.id)
    assert (row["client_ref"], row["smsc_ids"], row["carrier_error"]) == ("a\ufffdb", "x\ufffdy", "\ufffd")
    assert row["status"] == Status.UNDELIVERED
    assert not bench.letters
    await bench.project({OUT: [receipt("x\0y", state=MessageState.DELIVRD, at_ms=NOW + 60)]})
    assert bench.message(one.id)["entries"] == 4


async def test_a_state_that_is_not_known_counts_as_unknown(bench: Bench) -> None:
    one = message()
    await bench.project({MT: [one], OUT: [outcome(one), receipt("a1", state=250)]})
    assert bench.message(one.id)["status"] == Status.SENT


async def test_conflicts_are_met_by_doing_it_again_and_not_for_ever(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, tries = message(), 0
    transact = bench.projector._transact

    async def busy(batch: Batch) -> Any:
        nonlocal tries
        tries += 1
        if tries <= 3:
            raise Conflict("deadlock detected")
        return await transact(batch)

    monkeypatch.setattr(bench.projector, "_transact", busy)
    await bench.project({MT: [one]})
    assert tries == 4
    assert one.id in bench.tables.messages
    tries = -MOST_TRIES
    with pytest.raises(UnavailableError, match="conflicts"):
        await bench.project({MT: [message()]})


async def test_a_commit_whose_answer_was_lost_is_not_projected_again(bench: Bench) -> None:
    batch = bench.batch({MT: [message()]})
    bench.projection.fail_commits = 1
    with pytest.raises(UnavailableError):
        await bench.projector.project(batch)
    with pytest.raises(Moved):
        await bench.projector.project(batch)
    assert len(bench.tables.messages) == 1


async def test_a_receipt_that_names_no_message_is_kept_for_people(bench: Bench) -> None:
    await bench.project({OUT: [receipt(raw=b"sealed"), receipt("")]})
    kept = bench.tables.lists["keep_lost_receipt"]
    assert [row[4] for row in kept] == ["names_no_message"] * 2
    assert not bench.tables.parked


async def test_a_parked_receipt_holds_no_index_that_would_link_two_accounts(bench: Bench) -> None:
    await bench.project({OUT: [receipt("zz")]})
    (row,) = bench.tables.parked.values()
    assert b"i" * 16 not in row["record"]
    assert bench.projector.parked_left


async def test_a_reused_id_goes_to_the_newest_submission_and_to_the_right_destination(bench: Bench) -> None:
    old, new, other = message(), message(), message()
    await bench.project({MT: [old, new, other]})
    await bench.project({OUT: [outcome(old, at_ms=NOW)]})
    await bench.project({OUT: [outcome(other, at_ms=NOW + 10, check=99)]})
    await bench.project({OUT: [outcome(new, at_ms=NOW + 20)]})
    await bench.project({OUT: [receipt("a1", at_ms=NOW + 40)]})
    assert [bench.message(one.id)["status"] for one in (old, new, other)] == [40, 80, 40]
    await bench.project({OUT: [receipt("a1", at_ms=NOW + 41, check=99)]})
    assert bench.message(other.id)["status"] == Status.DELIVERED
    await bench.project({OUT: [receipt("a1", at_ms=NOW + 42)]})
    assert bench.message(old.id)["status"] == Status.DELIVERED


async def test_an_older_days_submission_is_found_in_the_slow_pass(bench: Bench) -> None:
    old = message(NOW - 3 * DAY_MS)
    await bench.project({MT: [old], OUT: [outcome(old, at_ms=NOW - 3 * DAY_MS)]})
    await bench.project({OUT: [receipt("a1")]})
    assert bench.message(old.id)["status"] == Status.SENT
    assert len(bench.tables.parked) == 1
    await bench.projector.retry_parked()
    assert bench.message(old.id)["status"] == Status.DELIVERED
    assert not bench.tables.parked


async def test_parked_receipts_count_in_the_order_in_which_they_came(bench: Bench) -> None:
    one = message()
    await bench.project({OUT: [receipt("a1", state=MessageState.UNDELIV, at_ms=NOW)]})
    await bench.project({OUT: [receipt("a1", state=MessageState.DELIVRD, at_ms=NOW + 10)]})
    late = receipt("a1", state=MessageState.DELIVRD, at_ms=NOW + 20)
    await bench.project({MT: [one], OUT: [outcome(one, at_ms=NOW + 1), late]})
    assert bench.message(one.id)["status"] == Status.UNDELIVERED
    assert not bench.tables.parked


async def test_a_receipt_that_stays_unmatched_is_looked_for_less_and_less(bench: Bench) -> None:
    await bench.project({OUT: [receipt("zz")]})
    (row,) = bench.tables.parked.values()
    for _ in range(3):
        bench.clock.advance(1.0)
        await bench.projector.retry_parked()
    assert next(iter(bench.tables.parked.values()))["tries"] == 3
    await bench.projector.retry_parked()
    assert next(iter(bench.tables.parked.values()))["tries"] == 3, "not due yet"
    pauses = [pause_ms(tries) for tries in range(200)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (1000, 60_000)
    assert row["tries"] == 0


async def test_a_new_turn_takes_the_row_over_with_its_carrier_and_price(bench: Bench) -> None:
    first = message()
    again = msgspec.structs.replace(first, attempt=2, hop=1, carrier="beta", price_micros=9, possible_duplicate=True)
    await bench.project({MT: [first]})
    await bench.project({MT: [again]})
    await bench.project({MT: [first]})
    row = bench.message(first.id)
    assert (row["carrier"], row["price_micros"], row["attempt"], row["hop"]) == ("beta", 9, 2, 1)
    assert row["possible_duplicate"]
    assert row["rev"] == 1


def finals() -> float:
    """How many messages of this test's class and carrier the histogram has counted."""
    samples = [sample for family in ACCEPT_TO_FINAL.collect() for sample in family.samples]
    own = [s.value for s in samples if s.name.endswith("_count") and s.labels == {"class": "otp", "carrier": "alpha"}]
    return sum(own)


async def test_a_final_message_is_counted_once_whichever_of_its_records_comes_first(bench: Bench) -> None:
    counted = finals()
    one, two, three = message(), message(), message()
    await bench.project({OUT: [outcome(one, "a1"), receipt("a1")]})
    await bench.project({MT: [one, two], OUT: [outcome(two, "a2"), receipt("a2")]})
    await bench.project({MT: [three]})
    await bench.project({OUT: [outcome(three, "a3"), receipt("a3")]})
    await bench.project({MT: [one], OUT: [receipt("a2", at_ms=NOW + 60, state=MessageState.UNDELIV)]})
    assert finals() - counted == 3
