"""The packed timeline: appending is concatenation, and people get words."""

from __future__ import annotations

import msgspec
import pytest

from schemas.status import Status
from smpp.states import MessageState
from store import timeline
from store.rows import Attempt, Event, Part

ENTRIES: list[timeline.Entry] = [
    (timeline.QUEUED, 10, 1, 0, "alpha", 0),
    (timeline.REFUSED, 20, 1, 0, "alpha", 4, 19, 0, ("",), "carrier_busy", 0x58, 90),
    (timeline.QUEUED, 90, 2, 0, "beta", 1),
    (timeline.SENT, 95, 2, 0, "beta", 9, 94, 1, ("x1", "x2")),
    (timeline.RECEIPT, 99, 1, 2, MessageState.ENROUTE, "", 0),
    (timeline.RECEIPT, 120, 1, 2, MessageState.DELIVRD, "000", 119),
    (timeline.RECEIPT, 130, 1, 2, MessageState.UNDELIV, "", 0),
]


@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 300])
def test_pieces_put_one_after_the_other_are_the_whole(count: int) -> None:
    entries = (ENTRIES * 50)[:count]
    pieces = b"".join(timeline.pack([entry]) for entry in entries)
    assert pieces == timeline.pack(entries)
    plain = [msgspec.msgpack.decode(msgspec.msgpack.encode(entry), type=tuple) for entry in entries]
    assert timeline.unpack(pieces, count) == plain
    assert timeline.unpack(b"", 0) == []


def test_damage_is_told() -> None:
    with pytest.raises(msgspec.DecodeError):
        timeline.unpack(timeline.pack(ENTRIES)[:-1], len(ENTRIES))


def test_the_entry_that_sql_writes_is_one() -> None:
    assert timeline.unpack(timeline.UNKNOWN_HEAD + (77).to_bytes(8, "big"), 1) == [(timeline.UNKNOWN, 77)]


def test_attempts_show_each_segment_with_its_first_final_state() -> None:
    assert timeline.attempts_of(ENTRIES) == (
        Attempt(1, "alpha", (Part(1, "", ""),)),
        Attempt(2, "beta", (Part(1, "x1", ""), Part(2, "x2", "DELIVRD"))),
    )


def test_events_are_in_words_and_in_order() -> None:
    events = timeline.events_of(list(reversed(ENTRIES)))
    assert [event.type for event in events] == ["queued", "refused", "queued", "sent", "receipt", "receipt", "receipt"]
    assert events[0] == Event(10, "queued", {"attempt": 1, "hop": 0, "carrier": "alpha"})
    assert events[3].data["possible_duplicate"] is True
    assert events[5].data == {"part": 2, "state": "DELIVRD", "error": "000", "done_at_ms": 119}
    assert {event.type for event in events} <= set(timeline.EVENT_TYPES)


def test_a_stop_shows_as_the_status_that_it_made() -> None:
    for status in (Status.EXPIRED, Status.CANCELED, Status.BLOCKED, Status.FAILED):
        (event,) = timeline.events_of([(timeline.STOPPED, 1, 1, 0, "alpha", int(status), "why")])
        assert event == Event(1, status.label, {"attempt": 1, "hop": 0, "carrier": "alpha", "code": "why"})
        assert event.type in timeline.EVENT_TYPES
