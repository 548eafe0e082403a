"""What a lane's shell hands to Kafka, and in which order."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from bus.ports import Entry
from dispatcher.runner import LaneRunner, World
from policy.reference import Reference
from schemas.carriers import CarrierBook
from schemas.codec import decode_outcome
from schemas.records import Receipt, SubmitOutcome
from schemas.sealing import BlindIndex, Sealer
from schemas.topics import Topics
from smpp.core.constants import DELIVER_SM
from smpp.core.esme import Answer, Received
from smpp.core.sm import NO_TLVS, Delivery
from tests.unit.dispatcher.rig import NOTICE, LaneRig, carrier

ESM_RECEIPT = 0x04
RECEIPT = b"id:%s sub:001 dlvrd:001 submit date:2611221200 done date:2611221201 stat:DELIVRD err:000 text:hi"


class Log:
    """A publisher that writes down what it is given."""

    def __init__(self) -> None:
        self.records: list[Any] = []

    def publish(
        self, topic: str, partition: int, entries: Sequence[Entry], done: Callable[[Exception | None], None], *,
        lasting: bool = False,
    ) -> None:  # fmt: skip
        assert topic == "outcomes.alpha"
        self.records += [decode_outcome(value or b"") for _, value in entries]


class Connection:
    """Bound, and silent."""

    writable = False


def runner(kafka: Log) -> LaneRunner:
    alpha = carrier(partitions=1)
    book = CarrierBook(carriers={"alpha": alpha})
    nothing: Any = functools.partial(print, end="")
    publisher: Any = kafka
    world = World(
        Topics(""), publisher, nothing, nothing, Sealer({1: bytes(32)}, bytes(6)), BlindIndex(bytes(32)),
        Reference(nothing, nothing), lambda: book, 0, 1.0,
    )  # fmt: skip
    return LaneRunner(world, alpha, 0, 1, lambda: None, lambda: 0.0)


async def test_an_outcome_goes_before_the_receipt_that_came_in_one_piece_with_its_answer() -> None:
    """Behind it in its partition no recorder sees the receipt first, and has to park it."""
    kafka, rig = Log(), LaneRig()
    lane = runner(kafka)
    lane.lane = rig.lane
    rig.feed(NOTICE, 2)
    rig.turn()
    assert len(rig.out) == 2
    answers = [Answer(item.token, 0, f"id{number}") for number, item in enumerate(rig.out)]
    receipts = [
        Delivery(number, DELIVER_SM, 1, "8613800000000", "Acme", ESM_RECEIPT, 0, RECEIPT % b"id%d" % number, NO_TLVS)
        for number in range(2)
    ]
    connection: Any = Connection()
    lane.received(connection, Received(answers, [], receipts, [], [], b"", None))
    assert [type(record) for record in kafka.records] == [SubmitOutcome] * 2 + [Receipt] * 2
    assert [record.parts for record in kafka.records[:2]] == [("id0",), ("id1",)]
