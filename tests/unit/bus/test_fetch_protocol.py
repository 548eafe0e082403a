"""Our Fetch by hand is Kafka's: aiokafka's own codec, the clear one, says the same."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import aiokafka.errors as kafka_errors
import pytest
from aiokafka.protocol import fetch
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from bus.fetch_protocol import FetchAnswer, FetchRequest, Found, Session, measure
from bus.ports import TopicPartition

A0, A1, B2 = TopicPartition("a", 0), TopicPartition("a", 1), TopicPartition("ü-b", 2)


def batch(first: int, count: int, value: bytes = b"v") -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1 << 20)
    for number in range(count):
        builder.append(number, 1_700_000_000_000, None, value, [])
    data = bytearray(builder.build())
    data[:8] = first.to_bytes(8, "big")
    return bytes(data)


def answer(topics: list[Any], error: int = 0, session: int = 7) -> FetchAnswer:
    """What we make of an answer that aiokafka's codec wrote, behind the four bytes of a header."""
    buffer = BytesIO(b"head" + fetch.FetchResponse_v7.SCHEMA.encode([0, error, session, topics]))
    buffer.read(4)
    return FetchAnswer.decode(buffer)


def test_a_request() -> None:
    asked = {A1: (5, 100), B2: (2**40, 200), A0: (0, 100)}
    ours = FetchRequest(250, 1000, 7, 3, asked, [B2]).encode()
    topics = [("a", [(0, 0, -1, 100), (1, 5, -1, 100)]), ("ü-b", [(2, 2**40, -1, 200)])]
    assert ours == fetch.FetchRequest_v7(-1, 250, 1, 1000, 0, 7, 3, topics, [("ü-b", [2])]).encode()


def test_a_request_that_says_nothing_new() -> None:
    assert FetchRequest(1, 2, 3, 4, {}, []).encode() == fetch.FetchRequest_v7(-1, 1, 1, 2, 0, 3, 4, [], []).encode()


def test_a_header_is_the_connection_s_own() -> None:
    request = FetchRequest(1, 2, 3, 4, {}, [])
    assert request.prepare({1: (4, 17)}) is request
    header = request.build_request_header(9, "me").encode()
    assert header == b"\0\x01\0\x07\0\0\0\x09\0\x02me"
    assert request.parse_response_header(BytesIO(b"\0\0\0\x09rest")).correlation_id == 9


@pytest.mark.parametrize("spoken", [(0, 6), (8, 17), (0, 0)])
def test_a_broker_of_another_time_is_told_so(spoken: tuple[int, int]) -> None:
    with pytest.raises(kafka_errors.IncompatibleBrokerVersion, match=f"{spoken[0]} to {spoken[1]}"):
        FetchRequest(1, 2, 3, 4, {}, []).prepare({1: spoken})


def test_an_answer() -> None:
    records = batch(10, 3)
    topics = [
        ("a", [(0, 0, 13, 13, 0, None, records), (1, 6, -1, -1, -1, [], b"")]),
        ("ü-b", [(2, 0, 99, 99, 0, [(1, 2), (3, 4)], b"xyz")]),
    ]
    assert answer(topics) == FetchAnswer(
        0, 7, [Found(A0, 0, 13, records), Found(A1, 6, -1, b""), Found(B2, 0, 99, b"xyz")]
    )


def test_an_answer_without_records_and_one_of_a_lost_session() -> None:
    assert answer([("a", [(0, 0, 13, 13, 0, None, None)])]).found == [Found(A0, 0, 13, b"")]
    assert answer([], error=70, session=0) == FetchAnswer(70, 0, [])


def test_an_answer_that_was_cut_off_is_no_answer() -> None:
    whole = fetch.FetchResponse_v7.SCHEMA.encode([0, 0, 7, [("a", [(0, 0, 13, 13, 0, None, b"")])]])
    with pytest.raises(Exception, match="unpack"):
        FetchAnswer.decode(BytesIO(whole[:-6]))


def test_what_is_measured_are_whole_batches() -> None:
    first, second = batch(10, 3), batch(13, 2)
    assert measure(first) == (13, 3)
    assert measure(first + second) == (15, 5)
    assert measure(first + second[:-1]) == (13, 3)
    assert measure(first[:-1]) == (-1, 0)
    assert measure(first[:40]) == (-1, 0)
    assert measure(b"") == (-1, 0)


def said(request: FetchRequest) -> tuple[dict[TopicPartition, tuple[int, int]], list[TopicPartition]]:
    return dict(request._asked), request._forgotten


def test_a_session_says_all_once_and_then_what_changed() -> None:
    session = Session()
    assert said(session.request({A0: (0, 9), A1: (5, 9)}, 1, 2)) == ({A0: (0, 9), A1: (5, 9)}, [])
    session.answered(FetchAnswer(0, 7, []))
    assert said(session.request({A0: (3, 9), A1: (5, 9)}, 1, 2)) == ({A0: (3, 9)}, [])
    session.answered(FetchAnswer(0, 7, []))
    request = session.request({B2: (1, 9), A1: (5, 9)}, 1, 2)
    assert said(request) == ({B2: (1, 9)}, [A0])
    assert request.encode()[17:25] == (7).to_bytes(4, "big") + (2).to_bytes(4, "big"), "session and epoch"
    session.answered(FetchAnswer(0, 7, []))
    assert said(session.request({A0: (3, 9)}, 1, 2)) == ({A0: (3, 9)}, [B2, A1])


def test_without_a_session_each_request_says_all() -> None:
    session = Session()
    for _ in range(3):
        request = session.request({A0: (0, 9)}, 1, 2)
        assert said(request) == ({A0: (0, 9)}, [])
        assert request.encode()[17:25] == bytes(8)
        session.answered(FetchAnswer(0, 0, []))


def test_epochs_begin_again_at_one() -> None:
    session = Session()
    session.answered(FetchAnswer(0, 7, []))
    session._epoch = 2**31 - 1
    session.answered(FetchAnswer(0, 7, []))
    assert session._epoch == 1
