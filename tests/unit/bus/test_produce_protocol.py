"""Our Produce is aiokafka's, byte for byte, and its answers are read alike."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import pytest
from aiokafka.producer import sender
from aiokafka.protocol.produce import (
    ProduceRequest,
    ProduceRequest_v3,
    ProduceRequest_v7,
    ProduceResponse_v7,
)

import bus.kafka_publisher  # noqa: F401 - which takes it into use
from bus.produce_protocol import ProduceAnswer, QuickProduce, QuickStruct

Topics = list[tuple[str, list[tuple[int, bytes]]]]
TOPICS: dict[str, Topics] = {
    "none": [],
    "one": [("mt.alpha.otp", [(0, b"records")])],
    "many": [
        ("mt.alpha.otp", [(0, b"a" * 300), (11, b"")]),
        ("events.alpha", [(47, b"\x00\xff" * 9)]),
        ("é", [(1, b"x")]),
    ],
}


@pytest.mark.parametrize("name", TOPICS)
@pytest.mark.parametrize("transaction", [None, "t-1"])
def test_a_request_is_written_as_aiokafka_writes_it(name: str, transaction: str | None) -> None:
    said = (transaction, -1, 40_000, TOPICS[name])
    assert QuickStruct(*said).encode() == ProduceRequest_v7(*said).encode()


def answer(topics: Any) -> bytes:
    return bytes(ProduceResponse_v7.SCHEMA.encode([topics, 17]))


ANSWERS = {
    "none": [],
    "one": [("mt.alpha.otp", [(0, 0, 12, -1, 3)])],
    "faults": [("mt.alpha.otp", [(0, 6, -1, -1, -1), (11, 0, 2**40, 5, 7)]), ("é", [(1, 45, 0, -1, 0)])],
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_read_as_aiokafka_reads_it(name: str) -> None:
    frame = BytesIO(b"head" + answer(ANSWERS[name]))
    frame.seek(4)
    ours = ProduceAnswer.decode(frame)
    theirs = ProduceResponse_v7.decode(answer(ANSWERS[name]))
    assert (ours.topics, ours.API_VERSION) == (theirs.topics, theirs.API_VERSION)


@pytest.mark.parametrize("size", [0, 3, 5, 20, 50])
def test_an_answer_that_is_cut_short_is_an_error(size: int) -> None:
    with pytest.raises(struct.error):
        ProduceAnswer.decode(BytesIO(answer(ANSWERS["one"])[:size]))


def request() -> ProduceRequest:
    return QuickProduce(transactional_id=None, required_acks=-1, timeout=1, topics=TOPICS["many"])


def test_the_producer_uses_it_and_with_another_version_aiokafkas_own() -> None:
    assert sender.ProduceRequest is QuickProduce
    assert type(request().prepare({0: (3, 11)})) is QuickStruct
    assert type(request().prepare({0: (0, 3)})) is ProduceRequest_v3
    assert request().required_acks == -1
