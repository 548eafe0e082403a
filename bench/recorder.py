"""What the projection costs: microseconds of the recorder's own CPU and of its Postgres backend, a message.

Makes the records of N messages in memory (a MtMessage, a SubmitOutcome, a Receipt each), projects them into a real
Postgres, and measures process_time here and utime + stime of the backend in /proc. *Folded*: the three records of a
message are in one batch. *Unfolded*: accepted, sent and delivered in three passes. Decoding counts, reading from Kafka does
not (about 1 µs a record).

    python -m bench.recorder --dsn postgresql://… [--messages 100000] [--batch 20000] [--kafka host:port] [--json]

With --kafka also *kafka*: the records of N messages are written to topics of their own, then a recorder catches up from
there, reading included. The database is made empty first.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import uvloop

from bus.kafka_publisher import KafkaPublisher
from bus.kafka_reader import KafkaReader
from bus.memory import MemoryRecord
from bus.ports import TopicPartition
from bus.topics import create_topics
from migrations.runner import migrate
from recorder.assembly import BUSY_HOLD_S, HOLD_S
from recorder.batches import Decoder
from recorder.feed import Gathering
from recorder.projector import Projector
from recorder.rebuild import rebuild
from recorder.sources import Sources
from runtime import collector
from runtime.clock import SystemClock
from schemas import ids
from schemas.codec import encode
from schemas.records import DeadLetter, MtMessage, Receipt, SubmitOutcome
from schemas.sealing import BlindIndex, Sealer, check_of
from schemas.topics import Topics
from smpp.states import MessageState
from store.projection import Projection
from store.rebuild import truncate

PARTITIONS = 12
TEXT = "Your code is 123456. It is valid for five minutes; do not tell it to anybody."
Records = dict[TopicPartition, list[MemoryRecord]]


@dataclass(frozen=True)
class Cost:
    """Microseconds a message."""

    name: str
    messages: int
    own_us: float
    postgres_us: float
    wall_us: float


class Maker:
    """Makes records as api and dispatcher would."""

    def __init__(self, topics: Topics, batch: int) -> None:
        self._topics = topics
        self._sealer = Sealer({1: os.urandom(32)}, os.urandom(6))
        self._index = BlindIndex(os.urandom(32))
        self._offsets: dict[TopicPartition, int] = {}
        self._batch = batch
        self._smsc_id = random.randrange(10**9)

    def _put(self, records: Records, topic: str, part: int, value: bytes, at_ms: int) -> int:
        tp = TopicPartition(topic, part)
        offset = self._offsets.get(tp, 0)
        self._offsets[tp] = offset + 1
        records.setdefault(tp, []).append(MemoryRecord(offset, at_ms, None, value))
        return offset

    def messages(self, count: int) -> tuple[Records, Records, Records]:
        """(accepted, sent, delivered) of `count` messages."""
        accepted: Records = {}
        sent: Records = {}
        delivered: Records = {}
        receipts = []
        now = time.time_ns() // 1_000_000
        entropy = os.urandom(10)
        for number in range(count):
            at = now + number // 20
            entropy = os.urandom(10)
            id = ids.random_ids(at, entropy)[0]
            digits = f"8613{random.randrange(10**9):09d}"
            service, part = self._index.of(digits), number % PARTITIONS
            carrier = "alpha" if number % 3 else "beta"
            message = MtMessage(
                id, "shop", number % 3, carrier, self._sealer.seal(id, digits, "Acme", TEXT),
                self._index.of_account("shop", digits), at, at + 300_000, 1, 0, 0, 3, 32_000, "USD", f"o-{number}",
            )  # fmt: skip
            offset = self._put(accepted, self._topics.mt(carrier, number % 3), part, encode(message), at)
            self._smsc_id += 1
            smsc_id = format(self._smsc_id, "x")
            outcome = SubmitOutcome(
                id, number % 3, offset, at + 30, 0, 1, 0, at + 20, "", 0, (smsc_id,), None, check_of(service)
            )
            self._put(sent, self._topics.outcomes(carrier), part, encode(outcome), at + 30)
            receipt = Receipt(
                at + 900, 0, smsc_id, (smsc_id, str(int(smsc_id, 16))), MessageState.DELIVRD, "", at + 800, service,
                check_of(service),
            )  # fmt: skip
            receipts.append((self._topics.outcomes(carrier), part, encode(receipt), at + 900))
        for topic, part, value, at in receipts:
            self._put(delivered, topic, part, value, at)
        return accepted, sent, delivered


def cpu_s(pid: int) -> float:
    """User and system time of a process, in seconds."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Meter:
    """Projects and adds up what that takes."""

    def __init__(self, projection: Projection, projector: Projector, decoder: Decoder) -> None:
        self._projection = projection
        self._projector = projector
        self._decoder = decoder
        self.own_s = self.postgres_s = self.wall_s = 0.0

    async def project(self, records: Records) -> None:
        starts = {tp: some[0].offset for tp, some in records.items()}
        await self._projection.connect()
        await self._projection.begin_positions({(tp.topic, tp.partition): at for tp, at in starts.items()})
        pid = self._projection.backend_pid
        wall, own, postgres = time.perf_counter(), time.process_time(), cpu_s(pid)
        await self._projector.project(self._decoder.decode(records, starts))
        self.own_s += time.process_time() - own
        self.wall_s += time.perf_counter() - wall
        self.postgres_s += cpu_s(pid) - postgres

    def cost(self, name: str, messages: int) -> Cost:
        each = 1e6 / messages
        return Cost(name, messages, self.own_s * each, self.postgres_s * each, self.wall_s * each)


def merged(parts: Sequence[Records]) -> Records:
    """The records of several as one."""
    found: Records = {}
    for records in parts:
        for tp, some in records.items():
            found.setdefault(tp, []).extend(some)
    return found


async def no_letters(letters: Sequence[DeadLetter]) -> None:
    raise AssertionError(letters)


async def measure(dsn: str, messages: int, batch: int) -> Iterator[Cost]:
    """Folded and unfolded, after a warm-up of each."""
    await migrate(dsn)
    found = []
    topics = Topics("bench-")
    for folded in (True, False):
        await truncate(dsn)
        maker = Maker(topics, batch)
        decoder = Decoder(Sources(topics, {"alpha": PARTITIONS, "beta": PARTITIONS}))
        projection = Projection(dsn)
        projector = Projector(projection, decoder, {}, no_letters, SystemClock())
        size = batch // 3 if folded else batch
        for warm in (True, False):
            meter = Meter(projection, projector, decoder)
            meters = [meter, meter, meter] if folded else [Meter(projection, projector, decoder) for _ in range(3)]
            rounds = 1 if warm else max(1, messages // size)
            for _ in range(rounds):
                made = maker.messages(size)
                if folded:
                    await meter.project(merged(made))
                else:
                    for own, records in zip(meters, made, strict=True):
                        await own.project(records)
            if not warm:
                count = rounds * size
                names = ("folded",) if folded else ("accepted", "sent", "delivered")
                found += [own.cost(name, count) for name, own in zip(names, meters, strict=False)]
        await projection.close()
    unfolded = found[1:]
    total = Cost(
        "unfolded",
        unfolded[0].messages,
        sum(cost.own_us for cost in unfolded),
        sum(cost.postgres_us for cost in unfolded),
        sum(cost.wall_us for cost in unfolded),
    )
    return iter([*found, total])


async def catch_up(dsn: str, messages: int, batch: int, bootstrap: str) -> Cost:
    """A recorder that finds everything in Kafka."""
    topics = Topics(f"bench-{os.getpid()}-{time.time_ns() % 10**6}-")
    carriers = {"alpha": PARTITIONS, "beta": PARTITIONS}
    await create_topics(bootstrap, topics.all(carriers.items()), 1)
    publisher = KafkaPublisher(bootstrap, "bench")
    await publisher.start()
    maker = Maker(topics, batch)
    for first in range(0, messages, 1000):
        # Answers and receipts soon after, as they would stand in the logs.
        for records in maker.messages(min(1000, messages - first)):
            await publish(publisher, records)
    await publisher.stop()
    await truncate(dsn)
    sources = Sources(topics, carriers)
    decoder, projection, clock = Decoder(sources), Projection(dsn), SystemClock()
    projector = Projector(projection, decoder, {}, no_letters, clock)
    await projection.connect()
    pid = projection.backend_pid
    wall, own, postgres = time.perf_counter(), time.process_time(), cpu_s(pid)
    reader = KafkaReader(bootstrap, "bench")
    await rebuild(
        sources, projection, projector, decoder, reader, Gathering(batch, 0.0, HOLD_S, 0.0, BUSY_HOLD_S), clock
    )
    each = 1e6 / messages
    cost = Cost(
        "kafka",
        messages,
        (time.process_time() - own) * each,
        (cpu_s(pid) - postgres) * each,
        (time.perf_counter() - wall) * each,
    )
    await projection.close()
    return cost


async def publish(publisher: KafkaPublisher, records: Records) -> None:
    """Writes them, and waits for the acknowledgements."""
    waiting = []
    for tp, some in records.items():
        done: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        publisher.publish(tp.topic, tp.partition, [(None, record.value) for record in some], done.set_result)
        waiting.append(done)
    for fault in await asyncio.gather(*waiting):
        if fault is not None:
            raise fault


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dsn", required=True, help="a Postgres database; what it holds is dropped")
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=20_000, help="records a batch")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--kafka", metavar="HOST:PORT", help="measure catching up from this Kafka, too")
    args = parser.parse_args()
    collector.calm()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        costs = list(runner.run(measure(args.dsn, args.messages, args.batch)))
        if args.kafka:
            costs.append(runner.run(catch_up(args.dsn, args.messages, args.batch, args.kafka)))
    if args.json:
        json.dump([asdict(cost) for cost in costs], sys.stdout, indent=2)
        return 0
    print(f"{'':10} {'messages':>9} {'own µs':>8} {'Postgres µs':>12} {'wall µs':>8}")
    for cost in costs:
        print(f"{cost.name:10} {cost.messages:9} {cost.own_us:8.1f} {cost.postgres_us:12.1f} {cost.wall_us:8.1f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
