"""Messages wait for their outcomes, but not for long, and never out of order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bus.memory import MemoryRecord
from bus.ports import StoredRecord, TopicPartition
from recorder.pairing import Pairing
from recorder.sources import Sources
from schemas.codec import encode, message_place
from schemas.records import Duplicate, Receipt, SubmitOutcome, Unreadable
from schemas.topics import Topics

TOPICS = Topics("t.")
SOURCES = Sources(TOPICS, {"alpha": 2})
OTP, NOTICE = (TopicPartition(TOPICS.mt("alpha", cls), 1) for cls in (0, 1))
OUTCOMES = TopicPartition(TOPICS.outcomes("alpha"), 1)
INTAKE = TopicPartition(TOPICS.intake, 0)


def messages(*offsets: int) -> list[MemoryRecord]:
    return [MemoryRecord(offset, 0, None, b"m") for offset in offsets]


def outcome(cls: int, offset: int) -> bytes:
    return encode(SubmitOutcome(b"i" * 16, cls, offset, 1, 0, 1, 0, 1, "", 0, ("x",)))


def outcomes(*places: tuple[int, int]) -> list[MemoryRecord]:
    return [MemoryRecord(number, 0, None, outcome(*place)) for number, place in enumerate(places)]


def pairing() -> Pairing:
    return Pairing(SOURCES, {OTP: 5, NOTICE: 1, OUTCOMES: 0})


def offsets(records: Mapping[TopicPartition, Sequence[StoredRecord]]) -> dict[TopicPartition, list[int]]:
    return {tp: [record.offset for record in some] for tp, some in records.items()}


def test_a_message_goes_with_its_outcome_and_takes_those_before_it_along() -> None:
    one = pairing()
    assert one.hold({OTP: messages(5, 6, 7), NOTICE: messages(1)}, 0.0) == {}
    rest = one.hold({OUTCOMES: outcomes((0, 6), (0, 5))}, 0.1)
    assert offsets(rest) == {OUTCOMES: [0, 1]}
    reach = one.reach(rest)
    assert reach == {OTP: 6}
    assert offsets(one.release(reach, -1.0, 100)) == {OTP: [5, 6]}
    assert (one.count, one.held(OTP), one.held(NOTICE)) == (2, 1, 1)


def test_without_an_outcome_it_goes_alone_when_its_time_is_over() -> None:
    one = pairing()
    one.hold({OTP: messages(5)}, 0.0)
    one.hold({OTP: messages(6)}, 0.3)
    assert one.oldest() == 0.0
    assert one.release({}, -0.1, 100) == {}
    assert offsets(one.release({}, 0.0, 100)) == {OTP: [5]}
    assert one.oldest() == 0.3
    assert offsets(one.release({}, 0.3, 100)) == {OTP: [6]}
    assert (one.count, one.oldest()) == (0, None)


def test_those_without_outcome_take_the_room_that_is_left_and_those_with_one_need_none() -> None:
    one = pairing()
    one.hold({OTP: messages(5, 6, 7)}, 0.0)
    one.hold({NOTICE: messages(1, 2)}, 0.1)
    assert offsets(one.release({}, 1.0, 2)) == {OTP: [5, 6]}
    assert offsets(one.release({NOTICE: 2}, 1.0, 0)) == {NOTICE: [1, 2]}
    assert offsets(one.release({}, 1.0, 2)) == {OTP: [7]}
    assert one.count == 0


def test_outcomes_that_fill_batch_after_batch_leave_some_room_for_the_others() -> None:
    one = pairing()
    one.hold({OTP: messages(5, 6, 7, 8)}, 0.0)
    one.hold({NOTICE: messages(1, 2)}, 0.1)
    assert offsets(one.release({OTP: 5}, 1.0, 0, least=2)) == {OTP: [5, 6, 7]}
    assert offsets(one.release({NOTICE: 1}, 1.0, 0, least=2)) == {OTP: [8], NOTICE: [1, 2]}
    assert one.count == 0


def test_a_message_that_was_not_read_yet_is_told() -> None:
    one = pairing()
    other = TopicPartition(TOPICS.mt("alpha", 0), 0)
    assert one.unread({OTP: 4, NOTICE: 1, other: 9}) == {NOTICE}, "another recorder's partition is not ours to read"
    one.hold({NOTICE: messages(1)}, 0.0)
    assert one.unread({OTP: 4, NOTICE: 1}) == set()


def test_other_topics_never_wait() -> None:
    assert offsets(pairing().hold({INTAKE: messages(1)}, 0.0)) == {INTAKE: [1]}


def test_a_dropped_partition_is_forgotten() -> None:
    one = pairing()
    one.hold({OTP: messages(5, 6)}, 0.0)
    one.drop(OTP)
    assert (one.count, one.release({}, 9.0, 100), one.unread({OTP: 99})) == (0, {}, set())


def test_the_place_is_read_from_the_bytes_of_outcomes_that_name_one() -> None:
    assert message_place(outcome(2, 2**40)) == (2, 2**40)
    assert message_place(encode(Duplicate(b"i" * 16, 0, 7, 1, 0, 1, 0))) == (0, 7)
    assert message_place(encode(Receipt(1, 0, "x", ("x",), 2))) is None
    assert message_place(encode(Unreadable(0, 7, 1, 0, "why"))) is None
    assert [message_place(broken) for broken in (b"", b"\xdc\x00\x13\x10", b"xxxxxxxx")] == [None] * 3
