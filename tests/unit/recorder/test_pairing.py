"""Messages wait for their outcomes, but not for long, and never out of order."""

from __future__ import annotations

from bus.memory import MemoryRecord
from bus.ports import TopicPartition
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


def passed(
    pairing: Pairing, found: dict[TopicPartition, list[MemoryRecord]], now: float
) -> dict[TopicPartition, list[int]]:
    return {tp: [record.offset for record in records] for tp, records in pairing.pass_on(found, now).items()}


def test_a_message_goes_with_its_outcome_and_takes_those_before_it_along() -> None:
    pairing = Pairing(SOURCES, 0.4, 100)
    assert passed(pairing, {OTP: messages(5, 6, 7), NOTICE: messages(1)}, 0.0) == {}
    assert passed(pairing, {OUTCOMES: outcomes((0, 6), (0, 5))}, 0.1) == {OUTCOMES: [0, 1], OTP: [5, 6]}
    assert (pairing.count, pairing.held(OTP), pairing.held(NOTICE)) == (2, 1, 1)


def test_without_an_outcome_it_goes_alone_when_its_time_is_over() -> None:
    pairing = Pairing(SOURCES, 0.4, 100)
    passed(pairing, {OTP: messages(5)}, 0.0)
    passed(pairing, {OTP: messages(6)}, 0.3)
    assert pairing.wait_s(0.3) is not None
    assert passed(pairing, {}, 0.39) == {}
    assert passed(pairing, {}, 0.4) == {OTP: [5]}
    assert passed(pairing, {}, 0.7) == {OTP: [6]}
    assert (pairing.count, pairing.wait_s(0.8)) == (0, None)


def test_other_topics_never_wait_and_with_no_time_to_hold_nothing_does() -> None:
    assert passed(Pairing(SOURCES, 0.4, 100), {INTAKE: messages(1)}, 0.0) == {INTAKE: [1]}
    assert passed(Pairing(SOURCES, 0.0, 100), {OTP: messages(1)}, 0.0) == {OTP: [1]}


def test_what_waits_is_bounded() -> None:
    pairing = Pairing(SOURCES, 0.4, 3)
    assert passed(pairing, {OTP: messages(1, 2), NOTICE: messages(1)}, 0.0) == {}
    assert passed(pairing, {NOTICE: messages(2)}, 0.1) == {OTP: [1, 2], NOTICE: [1, 2]}
    assert pairing.count == 0


def test_a_dropped_partition_is_forgotten() -> None:
    pairing = Pairing(SOURCES, 0.4, 100)
    passed(pairing, {OTP: messages(1, 2)}, 0.0)
    pairing.drop(OTP)
    assert (pairing.count, passed(pairing, {}, 9.0)) == (0, {})


def test_the_place_is_read_from_the_bytes_of_outcomes_that_name_one() -> None:
    assert message_place(outcome(2, 2**40)) == (2, 2**40)
    assert message_place(encode(Duplicate(b"i" * 16, 0, 7, 1, 0, 1, 0))) == (0, 7)
    assert message_place(encode(Receipt(1, 0, "x", ("x",), 2))) is None
    assert message_place(encode(Unreadable(0, 7, 1, 0, "why"))) is None
    assert [message_place(broken) for broken in (b"", b"\xdc\x00\x13\x10", b"xxxxxxxx")] == [None] * 3
