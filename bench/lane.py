"""What a message costs the lane, without Kafka and without sockets: µs of CPU by step.

    python -m bench.lane [--messages 100000] [--exposure 100] [--profile]

The same calls as the dispatcher's shell makes: records are fed, reserved, committed, unsealed, spelled, encoded as submit_sm,
put on the session, answered by bytes of submit_sm_resp, published and settled; then a receipt for each is made a record.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import sys
import time
from typing import Any

from bus.memory import MemoryRecord
from bus.ports import TopicPartition
from dispatcher.encoding import Encoder
from dispatcher.lane import Lane
from dispatcher.ledger import LedgerState
from dispatcher.receipts import ReceiptDesk
from dispatcher.slots import Token
from policy.gate import Facts
from schemas import ids
from schemas.carriers import Carrier, CarrierBook
from schemas.codec import encode
from schemas.records import MtMessage
from schemas.sealing import BlindIndex, Sealer
from schemas.topics import Topics
from smpp.core.constants import DELIVER_SM, SUBMIT_SM_RESP, Command
from smpp.core.esme import BindParams, EsmeSession
from smpp.core.pdu import HEADER, Pdu
from smpp.core.pdu import encode as encode_pdu
from smpp.core.sm import Sm, encode_sm


class Clock:
    """CPU seconds by step."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self._mark = time.perf_counter()

    def step(self, name: str) -> None:
        now = time.perf_counter()
        self.spent[name] = self.spent.get(name, 0.0) + now - self._mark
        self._mark = time.perf_counter()


class _Publisher:
    """Acknowledges at once."""

    def publish(self, topic: str, partition: int, entries: Any, done: Any, *, lasting: bool = False) -> None:
        done(None)


def records(count: int, sealer: Sealer, index: BlindIndex, now_ms: int) -> list[MemoryRecord]:
    found = []
    for number in range(count):
        to = f"86138{number:08d}"
        identity = ids.random_ids(now_ms, os.urandom(10))[0]
        sealed = sealer.seal(identity, to, "Acme", f"Your code is {number:06d}")
        message = MtMessage(
            identity,
            "shop",
            0,
            "alpha",
            sealed,
            index.of_account("shop", to),
            now_ms,
            now_ms + 10**8,
            1,
            0,
            0,
            3,
            32000,
            "USD",
        )
        found.append(MemoryRecord(number, now_ms, index.of(to), encode(message)))
    return found


def run(count: int, exposure: int) -> dict[str, float]:
    now_ms, now = 1_790_000_000_000, 1000.0
    sealer, index = Sealer({1: bytes(32)}, os.urandom(6)), BlindIndex(bytes(32))
    carrier = Carrier(name="alpha", host="h", port=1, system_id="s", tps=1_000_000, window=exposure, exposure=exposure)
    book = CarrierBook(carriers={"alpha": carrier})
    lane = Lane(carrier, 0, 1_000_000, Encoder(carrier, sealer), lambda *_: None, Facts(), now - 10)
    lane.install("token", {(0, 0): (TopicPartition("mt", 0), LedgerState("-", 0, 0, ()))}, [])
    lane.active = lane.bound = True
    lane.lease_until = 1e12
    session: EsmeSession[Token] = EsmeSession(BindParams("s", "p"), now)
    session.bind()
    session.receive(encode_pdu(Pdu(Command.BIND_TRANSCEIVER_RESP, 0, 1, {})), now)
    desk = ReceiptDesk(carrier, 0, 0, Topics(""), _Publisher(), sealer, index, lambda: book)  # type: ignore[arg-type]
    text = (
        b"id:%010x sub:001 dlvrd:001 submit date:2611221200 done date:2611221201 stat:DELIVRD err:000 text:Your code is"
    )
    sm = Sm("", 1, 1, "8613800000000", 5, 0, "Acme", 4, 0, 0, "", "", 0, 0, 0, 0, text % 7)
    receipt_body = encode_sm(sm)
    queue = records(count, sealer, index, now_ms)

    class _Connection:
        def respond(self, deliveries: Any, status: int = 0) -> None:
            session.respond(deliveries, status)

    clock = Clock()
    done = fed = sequence = 0
    while done < count:
        if lane.backlog.depth(0) < exposure and fed < count:
            lane.feed(0, 0, queue[fed : fed + 2000], now_ms)
            fed += 2000
        clock.step("feed")
        plan = lane.commit_plan(now)
        clock.step("reserve and plan")
        if plan:
            lane.committed(plan)
        clock.step("committed")
        batch = lane.pump(now, now_ms)
        clock.step("pump (gate, unseal, encode)")
        session.submit(batch, now)
        clock.step("session.submit")
        answers = b"".join(
            HEADER.pack(27, SUBMIT_SM_RESP, 0, number) + b"%010x\0" % number
            for number in range(sequence + 2, sequence + 2 + len(batch))
        )
        deliveries = b"".join(
            HEADER.pack(16 + len(receipt_body), DELIVER_SM, 0, number) + receipt_body
            for number in range(1, 1 + len(batch))
        )
        sequence += len(batch)
        clock.step("(bench)")
        got = session.receive(answers, now)
        clock.step("session.receive answers")
        lane.answered(got.answers, now, now_ms)
        clock.step("answered")
        for parcel in lane.outbox.take():
            lane.published(parcel)
        clock.step("published and settled")
        got = session.receive(deliveries, now)
        clock.step("session.receive receipts")
        desk.take(_Connection(), got.deliveries, now_ms)  # type: ignore[arg-type]
        clock.step("receipts to records")
        done += len(batch)
        now += 0.01
    return {name: 1e6 * spent / count for name, spent in clock.spent.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--exposure", type=int, default=100)
    parser.add_argument("--profile", action="store_true", help="cProfile instead of the table")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.profile:
        profile = cProfile.Profile()
        profile.runcall(run, args.messages, args.exposure)
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
        return 0
    spent = run(args.messages, args.exposure)
    total = sum(value for name, value in spent.items() if name != "(bench)")
    if args.json:
        print(json.dumps({**spent, "total": total}))
        return 0
    for name, value in spent.items():
        print(f"{value:8.2f} µs  {name}")
    print(f"{total:8.2f} µs  a message with its receipt, in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
