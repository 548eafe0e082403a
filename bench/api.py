"""What acceptance costs: microseconds of CPU a message, in bulk and one by one.

Runs the app in this process, against the in-memory twin of Kafka or, with --kafka, a real one: then the producer's work
counts, too. Prints the best of several rounds: the machine is shared.

    bulk       batches, through the app
    single     messages from 50 connections at once: parser, door, desk, answer; all but the sockets
    framework  the same where the door is not taken: uvicorn's cycle and task for each, the app and its route
    core       messages over the desk, one by one

    python -m bench.api [--kafka 127.0.0.1:9092] [--size 1000] [--requests 20] [--keyed] [--profile] [--json]
    python -m bench.api --parse             ways to read a batch: why bodies are typed dictionaries (api.shapes)
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, cast

import uvicorn
import uvloop
from uvicorn.server import ServerState

from api.acceptance import Desk
from api.acts import Acts
from api.app import create_app
from api.door import Door
from api.entrance import entrance_through
from api.idempotency import KeyedLookups
from api.intake import Caller, Intake
from api.issuing import ID_BYTES, SECRET_BYTES, issue
from api.onewrite import OneWrite
from api.posting import Posting
from api.quotas import Quotas
from api.reference import ReferenceBook
from api.services import Services
from api.status import StatusBoard
from api.uploads import Uploads
from bench.parsing import parse
from bus.kafka_publisher import KafkaPublisher
from bus.memory import MemoryCluster, MemoryPublisher
from bus.ports import Publisher
from bus.topics import create_topics
from runtime.clock import SystemClock
from runtime.health import Health
from runtime.logs import configure_logs
from schemas.carriers import CarrierBook
from schemas.records import Act
from schemas.sealing import BlindIndex, Sealer
from schemas.topics import Topics

ROUNDS = 5
CONNECTIONS = 50
NAMES = ("alpha", "beta")
BOOK = {
    "carriers": {
        name: {"host": "h", "port": 1, "system_id": name, "tps": 500, "lanes": 2, "price": "0.032"} for name in NAMES
    },
    "routes": [{"prefix": "", "carriers": {"alpha": 3, "beta": 1}}],
}


class NoReads:
    """A read side that knows nothing."""

    async def find_keyed(self, ids: list[bytes]) -> dict[bytes, Any]:
        return {}

    async def _none(self, *_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError

    get_message = list_messages = get_batch = list_in_doubt = _none
    messages_by_ids = list_audit = list_inbound = count_accepted = _none


class Bench:
    """The app, and a client that does next to nothing."""

    def __init__(self, publisher: Publisher, topics: Topics) -> None:
        book, clock = ReferenceBook(), SystemClock()
        carriers = CarrierBook.model_validate(BOOK)
        sealer, blind = Sealer({1: os.urandom(32)}, os.urandom(6)), BlindIndex(os.urandom(32))
        reads = NoReads()
        desk = Desk(
            intake=Intake(carriers, (), topics, sealer, blind),
            posting=Posting(publisher, 10.0, 1 << 28),
            lookups=KeyedLookups(reads.find_keyed, clock),
            reads=reads,
            clock=clock,
            entropy=os.urandom,
            index_key=blind.key,
            max_recipients=10_000,
            suspended=book.suspended,
            quotas=Quotas(book.account, clock),
        )
        uploads = Uploads(8 << 20, 64 << 20)
        acts = Acts(desk.posting, topics, book, clock, self._catch_up)
        board = StatusBoard(clock)
        services = Services(desk, book, board, carriers, reads, uploads, sealer, blind, clock, Health(), acts)
        issued = issue(
            book, Act("bench", "", 0), "shop", "", ("send",), live=True, entropy=os.urandom(SECRET_BYTES + ID_BYTES)
        )
        for key, value in issued.entries:
            book.apply(key or b"", value)
        self.app = create_app(services)
        self.entrance = entrance_through(Door(services, self.app))
        self.desk = desk
        self.caller = Caller("k", "shop", frozenset({"send"}), True)
        self.headers = [
            (b"host", b"127.0.0.1:8080"),
            (b"user-agent", b"bench"),
            (b"authorization", f"Bearer {issued.secret}".encode()),
            (b"content-type", b"application/json"),
        ]

    async def _catch_up(self) -> None:
        """Nothing follows a topic here."""

    async def post(self, path: str, body: bytes, key: bytes = b"") -> int:
        """Gives the status."""
        status = 0

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)

        headers = [*self.headers, (b"content-length", str(len(body)).encode())]
        if key:
            headers.append((b"idempotency-key", key))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8080),
        }
        await self.app(scope, receive, send)
        assert status == 202, status
        return status


class Wire(asyncio.Transport):
    """A client's end that only counts answers."""

    def __init__(self, clients: Clients) -> None:
        super().__init__()
        self._clients = clients

    def write(self, data: Any) -> None:
        assert data.startswith(b"HTTP/1.1 202 "), data
        self._clients.missing -= 1
        if not self._clients.missing:
            self._clients.answered.set()

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """Of a connection that has rested for too long: the other way is measured meanwhile."""


class Clients:
    """CONNECTIONS that are kept alive, to uvicorn's protocol as `protocol` has it."""

    def __init__(self, bench: Bench, protocol: type[OneWrite]) -> None:
        config = uvicorn.Config(
            bench.app, interface="asgi3", ws="none", lifespan="off", log_config=None, access_log=False
        )
        config.load()
        state = ServerState()
        state.default_headers = [(b"date", b"Mon, 21 Sep 2026 14:13:20 GMT")]
        self._head = b"".join(b"%b: %b\r\n" % header for header in bench.headers)
        self._connections = [protocol(config=config, server_state=state, app_state={}) for _ in range(CONNECTIONS)]
        for connection in self._connections:
            connection.connection_made(cast("asyncio.Transport", Wire(self)))
        self.missing = 0
        self.answered = asyncio.Event()

    async def post(self, body: bytes, keys: Iterator[bytes]) -> None:
        """One message on each connection."""
        self.missing = CONNECTIONS
        self.answered.clear()
        for connection, key in zip(self._connections, keys, strict=False):
            connection.data_received(self._request(body, key))
        await self.answered.wait()

    def _request(self, body: bytes, key: bytes) -> bytes:
        own = b"idempotency-key: %b\r\n" % key if key else b""
        return b"POST /v1/messages HTTP/1.1\r\n%b%bcontent-length: %d\r\n\r\n%b" % (self._head, own, len(body), body)


def messages(count: int) -> list[dict[str, Any]]:
    return [
        {
            "to": f"+86138{number:08d}",
            "text": f"Your order {number:06d} is on its way and arrives tomorrow.",
            "client_ref": f"o-{number}",
        }
        for number in range(count)
    ]


def batch_body(size: int) -> bytes:
    defaults = {"class": "notice", "sender": "Acme"}
    return json.dumps({"name": "bench", "defaults": defaults, "messages": messages(size)}).encode()


def single_body() -> bytes:
    return json.dumps({**messages(1)[0], "class": "otp", "sender": "Acme"}).encode()


async def best(work: Callable[[], Awaitable[Any]], count: int) -> tuple[float, float]:
    """(CPU, wall) in microseconds for one of `count` messages: the best round of each."""
    cpu, wall = [], []
    for _ in range(ROUNDS):
        started, began = time.process_time(), time.perf_counter()
        await work()
        cpu.append((time.process_time() - started) / count * 1e6)
        wall.append((time.perf_counter() - began) / count * 1e6)
    return min(cpu), min(wall)


@contextmanager
def profiled(wanted: bool) -> Iterator[None]:
    """Prints what took the time, if wanted."""
    if not wanted:
        yield
        return
    profile = cProfile.Profile()
    profile.enable()
    yield
    profile.disable()
    pstats.Stats(profile).sort_stats("tottime").print_stats(30)


async def measure(args: argparse.Namespace) -> dict[str, Any]:
    topics = Topics(f"bench{os.getpid()}-")
    specs = topics.all([(name, 12) for name in NAMES])
    if args.kafka:
        await create_topics(args.kafka, specs, 1)
        publisher: Publisher = KafkaPublisher(args.kafka, "bench")
    else:
        cluster = MemoryCluster()
        for spec in specs:
            cluster.create(spec.name, spec.partitions)
        publisher = MemoryPublisher(cluster)
    await publisher.start()
    bench, body, one = Bench(publisher, topics), batch_body(args.size), single_body()
    keys = (f"k{number}".encode() if args.keyed else b"" for number in range(1 << 30))

    async def bulk() -> None:
        for _ in range(args.requests):
            await bench.post("/v1/batches", body, next(keys))

    async def singles(clients: Clients) -> None:
        for _ in range(args.requests):
            await clients.post(one, keys)

    async def cores() -> None:
        for _ in range(args.requests):
            key = (_key(next(keys)) for _ in range(CONNECTIONS))
            await asyncio.gather(*(bench.desk.message(bench.caller, one, each) for each in key))

    through, around = Clients(bench, bench.entrance), Clients(bench, OneWrite)
    await bulk()
    await singles(through)
    await singles(around)
    with profiled(args.profile):
        in_bulk = await best(bulk, args.requests * args.size)
    with profiled(args.profile):
        single = await best(lambda: singles(through), args.requests * CONNECTIONS)
    framework = await best(lambda: singles(around), args.requests * CONNECTIONS)
    core = await best(cores, args.requests * CONNECTIONS)
    await publisher.stop()
    return {
        "kafka": args.kafka or "in memory",
        "keyed": args.keyed,
        "bulk": {"size": args.size, "cpu_us_per_msg": round(in_bulk[0], 2), "wall_us_per_msg": round(in_bulk[1], 2)},
        "single": {"cpu_us_per_msg": round(single[0], 1), "wall_us_per_msg": round(single[1], 1)},
        "framework": {"cpu_us_per_msg": round(framework[0], 1), "wall_us_per_msg": round(framework[1], 1)},
        "core": {"cpu_us_per_msg": round(core[0], 1), "wall_us_per_msg": round(core[1], 1)},
    }


def _key(key: bytes) -> str | None:
    return key.decode() or None


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("bench.api", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kafka", default="", metavar="HOST:PORT", help="publish to a real Kafka")
    parser.add_argument("--size", type=int, default=1_000, help="messages in a batch")
    parser.add_argument("--requests", type=int, default=20, help="batches in a round")
    parser.add_argument("--keyed", action="store_true", help="with an Idempotency-Key each")
    parser.add_argument("--profile", action="store_true", help="print what took the time")
    parser.add_argument("--parse", action="store_true", help="compare ways to read a body")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    configure_logs("error", "bench", "bench")
    if args.parse:
        print(json.dumps(parse(batch_body(args.size), messages(args.size)), indent=2))
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(measure(args))
    if args.json:
        print(json.dumps(found))
        return
    print(f"Kafka: {found['kafka']}{', with Idempotency-Key' if args.keyed else ''}; µs a message")
    for name in ("bulk", "single", "framework", "core"):
        print(f"  {name:9} CPU {found[name]['cpu_us_per_msg']:7.1f}   wall {found[name]['wall_us_per_msg']:7.1f}")


if __name__ == "__main__":
    main()
