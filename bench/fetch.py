"""What reading from Kafka costs beside the broker: our Fetch by hand (bus.fetch_protocol) against aiokafka's codec and iterator.

No broker: an answer for `--partitions` partitions, of which every eighth has `--records` records of 250 bytes, is taken apart
again and again; so is the request for them packed. Best of several rounds.

    python -m bench.fetch [--partitions 144] [--records 20] [--json]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any, Final

from aiokafka import TopicPartition as KafkaTopicPartition
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.protocol import fetch
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from bus.fetch_protocol import FetchAnswer, FetchRequest
from bus.kafka_reader import decoded
from bus.ports import TopicPartition

ROUNDS: Final = 30
_EVERY: Final = 8


def batch(records: int) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1 << 20)
    for number in range(records):
        builder.append(number, 1_700_000_000_000, b"k" * 16, b"v" * 250, [])
    return bytes(builder.build())


def best(work: Callable[[], Any]) -> float:
    """Microseconds of CPU."""
    spent = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return round(min(spent) * 1e6, 1)


def measure(partitions: int, records: int) -> dict[str, tuple[float, float]]:
    """What → (ours, aiokafka's), in microseconds."""
    chunk = batch(records)
    topics = [("mt.alpha.otp", [(n, 0, 9, 9, 0, None, b"" if n % _EVERY else chunk) for n in range(partitions)])]
    answer = fetch.FetchResponse_v7.SCHEMA.encode([0, 0, 7, topics])
    asked = {TopicPartition("mt.alpha.otp", n): (n, 131_072) for n in range(partitions)}
    theirs = [("mt.alpha.otp", [(n, n, -1, 131_072) for n in range(partitions)])]
    tp = KafkaTopicPartition("mt.alpha.otp", 0)
    return {
        "a request": (
            best(lambda: FetchRequest(100, 1 << 21, 0, 0, asked, []).encode()),
            best(lambda: fetch.FetchRequest_v7(-1, 100, 1, 1 << 21, 0, 0, 0, theirs, []).encode()),
        ),
        "an answer": (
            best(lambda: FetchAnswer.decode(BytesIO(answer))),
            best(lambda: fetch.FetchResponse_v7.decode(BytesIO(answer))),
        ),
        "a record": (
            best(lambda: decoded(chunk, 0)) / records,
            best(lambda: list(PartitionRecords(tp, MemoryRecords(chunk), None, 0, None, None, False, 0))) / records,
        ),
    }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("bench.fetch", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--partitions", type=int, default=144)
    parser.add_argument("--records", type=int, default=20, help="in each eighth partition")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    found = measure(args.partitions, args.records)
    if args.json:
        print(json.dumps(found))
        return
    print(f"{args.partitions} partitions, {args.records} records in each eighth; µs")
    for what, (ours, theirs) in found.items():
        print(f"  {what:9}  by hand {ours:8.2f}   aiokafka {theirs:8.2f}   {theirs / ours:5.1f} x")


if __name__ == "__main__":
    main()
