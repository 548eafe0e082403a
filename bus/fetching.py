"""Fetching for one reader, or for all of a process: one request at a time to each broker, whoever reads.

A fetch costs the broker and us as much as dozens of records, however little it brings. With a reader for each of eight lanes
fetches were half of all requests to Kafka, and a seventh of a dispatcher's work for single messages (measured). aiokafka gives
connections and metadata; its own fetcher asks for nothing while one partition has unread records, and says all each time.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import aiokafka.errors as kafka_errors
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.offset import OffsetRequest

from bus import broken_writes
from bus.connecting import connection_options
from bus.fetch_protocol import FetchAnswer, Found, Session, measure
from bus.gait import Gait
from bus.ports import StoredRecord, TopicPartition
from runtime.logs import logger
from runtime.tasks import end

broken_writes.mend()
log = logger("bus.fetching")
RETRY_S: Final = 0.1
BOUNDS_S: Final = 10.0
OUT_OF_RANGE: Final = 1
BEGIN: Final = -2
END: Final = -1
_AT_ONCE: Final = 16
_BRIEF_MS: Final = 10
"""How long the broker keeps a fetch while something that it has is not wanted: it may be, any moment, and only the next fetch can
ask for it. Twice as long each time that nothing came of it."""
_STREAMS_S: Final = 1.0
"""So long after the last records more are expected."""


class Queue:
    """A partition as one reader reads it. `position`: the next offset to hand out; `fetched`: the next to fetch."""

    __slots__ = ("came_s", "chunk", "fault", "fetched", "high", "paused", "position", "records", "tp")

    def __init__(self, tp: TopicPartition, position: int) -> None:
        self.tp = tp
        self.paused = False
        self.high: int | None = None
        self.came_s = -math.inf
        """When a fetch last brought something (monotonic seconds)."""
        self.move(position)

    def move(self, position: int) -> None:
        """What was fetched is forgotten."""
        self.position = self.fetched = position
        self.chunk = b""
        """Fetched and not decoded, up to `fetched`."""
        self.records: list[StoredRecord] = []
        """Decoded and not handed out."""
        self.fault = ""
        """Why it can't be read."""

    @property
    def wants(self) -> bool:
        """Whether more is to be fetched: not while something of it waits to be handed out."""
        return not (self.paused or self.chunk or self.records or self.fault)

    @property
    def is_behind(self) -> bool:
        """Whether Kafka has more than was fetched, as far as is known."""
        return self.high is None or self.fetched < self.high

    def is_held_back(self, now: float) -> bool:
        """Whether it is not fetched for now, though Kafka has more of it, or likely so: what streams was paused just now."""
        if self.wants or self.high is None:
            return False
        return self.fetched < self.high or (self.paused and now - self.came_s < _STREAMS_S)

    @property
    def ready(self) -> bool:
        """Whether there is something to hand out, or to tell."""
        return not self.paused and bool(self.chunk or self.records or self.fault)


class Reading(Protocol):
    """One who reads."""

    queues: dict[TopicPartition, Queue]

    def came(self) -> None:
        """Some queue has records, or a fault."""
        ...


class Fetcher:
    """`fetch_bytes`: most that a fetch brings of a partition, and a sixteenth of what it brings at all: bounds what is unread.
    `wait_ms`: how long the broker keeps a fetch that finds nothing, and so how long a partition that is resumed, or a reader
    that begins meanwhile, may wait. `gather_s`, `stream_s`, `flow_s`, `settle_s`: see Gait."""

    def __init__(
        self, bootstrap: str, client_id: str, *, fetch_bytes: int, wait_ms: int, gather_s: float,
        stream_s: float = 0.04, flow_s: float = 0.1, settle_s: float = 0.003,
    ) -> None:  # fmt: skip
        self._options = connection_options(bootstrap, client_id)
        self._fetch_bytes = fetch_bytes
        self._most_bytes = _AT_ONCE * fetch_bytes
        self._wait_ms = wait_ms
        self._pace = (settle_s, gather_s, stream_s, flow_s)
        self._settle_s = settle_s
        self._client: Any = None
        self._readings: list[Reading] = []
        self._leaders: dict[TopicPartition, int] = {}
        self._followed: dict[int, asyncio.Task[None]] = {}
        self._changed: dict[int, asyncio.Event] = {}
        self._brief_ms: dict[int, int] = {}
        self._opening = asyncio.Lock()
        self._again: asyncio.TimerHandle | None = None
        self._failing: set[int] = set()
        """Nodes whose last fetch failed, told once."""

    async def attach(self, reading: Reading) -> None:
        """Reads for it, too, from its queues' positions on. Raises kafka_errors.KafkaError."""
        async with self._opening:
            if self._client is None:
                self._client = await self._connected()
            for topic in {tp.topic for tp in reading.queues}:
                await self._client.add_topic(topic)
            self._readings.append(reading)
        self.wake()

    async def _connected(self) -> Any:
        client = AIOKafkaClient(**self._options)
        try:
            await client.bootstrap()
        except BaseException:
            await client.close()
            raise
        client.cluster.add_listener(self._leaders_changed)
        return client

    async def detach(self, reading: Reading) -> None:
        """Reads no more for it; the last one closes the connections."""
        async with self._opening:
            if reading in self._readings:
                self._readings.remove(reading)
            if self._readings or self._client is None:
                return
            if self._again is not None:
                self._again.cancel()
                self._again = None
            followed, self._followed = self._followed, {}
            for task in followed.values():
                await end(task)
            client, self._client = self._client, None
            await client.close()
        self._leaders.clear()
        self._changed.clear()

    def wake(self) -> None:
        """Some queue wants to be fetched that did not before."""
        if self._client is None:
            return
        for node in {self._leader(queue.tp) for queue in self._queues() if queue.wants}:
            if node < 0:
                self._ask_again()
            elif node in self._followed:
                self._changed[node].set()
            else:
                self._changed[node] = asyncio.Event()
                self._followed[node] = asyncio.create_task(self._follow(node))

    def _ask_again(self) -> None:
        """Who leads, in a while: it was asked just now."""
        if self._again is None:
            self._again = asyncio.get_running_loop().call_later(RETRY_S, self._ask_now)

    def _ask_now(self) -> None:
        self._again = None
        self._client.force_metadata_update().add_done_callback(self._was_asked)

    def _was_asked(self, _told: Any) -> None:
        """A broker that is away says nothing, and aiokafka would ask again a minute later: who still leads nothing is asked of
        again."""
        if self._client is not None:
            self.wake()

    def _leaders_changed(self, _cluster: Any) -> None:
        self._leaders.clear()
        self.wake()

    def _queues(self) -> Iterable[Queue]:
        for reading in self._readings:
            yield from reading.queues.values()

    def _leader(self, tp: TopicPartition) -> int:
        """-1: not known."""
        node = self._leaders.get(tp)
        if node is None:
            found = self._client.cluster.leader_for_partition(tp)
            node = self._leaders[tp] = -1 if found is None else found
        return node

    # ---- fetching

    async def _follow(self, node: int) -> None:
        session, gait = Session(), Gait(*self._pace)
        while True:
            try:
                pause_s = await self._fetch(node, session, gait)
            except kafka_errors.KafkaError as fault:
                if node not in self._failing:
                    log.warning("fetch_failed", node=node, fault=repr(fault))
            except Exception:
                log.exception("fetch_failed", node=node)
            else:
                self._failing.discard(node)
                await self._rest(node, pause_s)
                continue
            self._failing.add(node)
            session = Session()
            self._client.force_metadata_update()
            await asyncio.sleep(RETRY_S)

    async def _rest(self, node: int, pause_s: float) -> None:
        """The pause; no longer than `settle_s` when something is wanted of which there is more already."""
        until, changed = time.monotonic() + pause_s, self._changed[node]
        await asyncio.sleep(min(pause_s, self._settle_s))
        while (left_s := until - time.monotonic()) > 0 and not self._is_behind(node):
            changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await changed.wait()

    def _is_behind(self, node: int) -> bool:
        return any(queue.wants and queue.is_behind and self._leader(queue.tp) == node for queue in self._queues())

    async def _fetch(self, node: int, session: Session, gait: Gait) -> float:
        """One round; gives how long to wait before the next."""
        changed = self._changed[node]
        changed.clear()
        asked = {
            queue.tp: (queue.fetched, self._fetch_bytes)
            for queue in self._queues()
            if queue.wants and self._leader(queue.tp) == node
        }
        if not asked:
            await changed.wait()
            return 0.0
        wait_ms = self._patience_ms(node)
        answer = await self._client.send(node, session.request(asked, wait_ms, self._most_bytes))
        if answer.error:
            raise kafka_errors.for_code(answer.error)(f"session {session.id}")
        session.answered(answer)
        records = self._take(answer, asked)
        self._brief_ms[node] = _BRIEF_MS if records or changed.is_set() else 2 * wait_ms
        full = records > 0 and sum([len(found.records) for found in answer.found]) >= self._most_bytes // 2
        return gait.pause_s(records, time.monotonic(), full=full)

    def _patience_ms(self, node: int) -> int:
        """How long the broker may keep the next fetch."""
        now = time.monotonic()
        held = any(queue.is_held_back(now) and self._leader(queue.tp) == node for queue in self._queues())
        return min(self._wait_ms, self._brief_ms.get(node, _BRIEF_MS)) if held else self._wait_ms

    def _take(self, answer: FetchAnswer, asked: Mapping[TopicPartition, tuple[int, int]]) -> int:
        """Gives what came to its readers; how many records that were."""
        records, faults = 0, set()
        for reading in self._readings:
            came = False
            for found in answer.found:
                queue = reading.queues.get(found.tp)
                # Unless it was moved meanwhile.
                if queue is not None and found.tp in asked and queue.fetched == asked[found.tp][0]:
                    count, fault = _give(queue, found)
                    records += count
                    came = came or count > 0 or bool(queue.fault)
                    faults |= {fault} - {0}
            if came:
                reading.came()
        if faults:
            # A leader that moved, mostly: what it was asked for is asked for again, of whoever leads then.
            raise kafka_errors.for_code(min(faults))()
        return records

    # ---- ends

    async def bounds(self, tps: Iterable[TopicPartition], which: int) -> dict[TopicPartition, int]:
        """BEGIN: the first offset that is kept of each; END: the one after the last. Raises kafka_errors.KafkaError, after
        `BOUNDS_S` at the latest."""
        wanted = list(tps)
        try:
            async with asyncio.timeout(BOUNDS_S):
                return await self._all_bounds(wanted, which)
        except TimeoutError:
            names = ", ".join(sorted({tp.topic for tp in wanted}))
            raise kafka_errors.KafkaTimeoutError(f"no offsets of {names} in {BOUNDS_S:g} s") from None

    async def _all_bounds(self, wanted: Sequence[TopicPartition], which: int) -> dict[TopicPartition, int]:
        left, found = set(wanted), {}
        for topic in {tp.topic for tp in wanted}:
            await self._client.add_topic(topic)
        while left:
            try:
                for node in {self._leader(tp) for tp in left}:
                    found.update(await self._bounds(node, [tp for tp in left if self._leader(tp) == node], which))
            except kafka_errors.KafkaError as fault:
                if not fault.retriable:
                    raise
                self._client.force_metadata_update()
                await asyncio.sleep(RETRY_S)
            left -= found.keys()
        return found

    async def _bounds(self, node: int, tps: list[TopicPartition], which: int) -> dict[TopicPartition, int]:
        if node < 0:
            raise kafka_errors.StaleMetadata(f"{tps[0].topic}[{tps[0].partition}] has no leader")
        topics: dict[str, list[tuple[int, int]]] = {}
        for tp in tps:
            topics.setdefault(tp.topic, []).append((tp.partition, which))
        answer = await self._client.send(node, OffsetRequest(-1, 0, list(topics.items())))
        found = {}
        for topic, partitions in answer.topics:
            for partition, code, _, offset in partitions:
                if code:
                    raise kafka_errors.for_code(code)(f"{topic}[{partition}]")
                found[TopicPartition(topic, partition)] = offset
        return found


def _give(queue: Queue, found: Found) -> tuple[int, int]:
    """(records that came, what is at fault with the fetch itself)."""
    if found.error == OUT_OF_RANGE:
        queue.fault = f"{queue.tp.topic}[{queue.tp.partition}] does not have the offset {queue.fetched}"
        return 0, 0
    if found.error:
        return 0, found.error
    queue.high = found.high
    after, count = measure(found.records) if found.records else (-1, 0)
    if after > queue.fetched:
        queue.chunk = found.records
        queue.fetched = after
        queue.came_s = time.monotonic()
    return count, 0
