"""How long a fetcher rests: a long gathering ends as soon as something is wanted that Kafka is known to have; and how long the
broker keeps a fetch: not long while something is held back, which only the next one can ask for."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from bus.fetch_protocol import FetchAnswer, Found, Session
from bus.fetching import Fetcher, Queue
from bus.gait import Gait
from bus.ports import TopicPartition

NODE = 0
LONG_S = 3600.0


class Reader:
    """One who reads a single partition, of which everything was handed out."""

    def __init__(self, fetched: int, high: int | None) -> None:
        self.queue = Queue(TopicPartition("t", 0), fetched)
        self.queue.high = high
        self.queues = {self.queue.tp: self.queue}

    def came(self) -> None:
        raise AssertionError("nothing was fetched")


async def resting(reader: Reader, pause_s: float = LONG_S) -> tuple[Fetcher, asyncio.Task[None]]:
    fetcher = Fetcher("nowhere:1", "test", fetch_bytes=1, wait_ms=1, gather_s=0.0, settle_s=0.0)
    fetcher._client = SimpleNamespace(cluster=SimpleNamespace(leader_for_partition=lambda _tp: NODE))
    fetcher._readings.append(reader)
    fetcher._changed[NODE] = asyncio.Event()
    task = asyncio.create_task(fetcher._rest(NODE, pause_s))
    fetcher._followed[NODE] = task
    await turns()
    return fetcher, task


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize("high", [8, None])
async def test_nobody_rests_while_there_is_more_than_was_fetched_or_may_be(high: int | None) -> None:
    _, task = await resting(Reader(7, high))
    assert task.done()
    await task


async def test_at_the_end_it_rests_until_something_is_known_to_be_there() -> None:
    reader = Reader(7, 7)
    fetcher, task = await resting(reader)
    fetcher.wake()
    await turns()
    assert not task.done()
    reader.queue.move(3)  # a reader goes back
    fetcher.wake()
    await task


async def test_what_nobody_wants_ends_no_rest() -> None:
    reader = Reader(7, 20)
    reader.queue.paused = True
    fetcher, task = await resting(reader)
    assert not task.done()
    reader.queue.paused = False
    fetcher.wake()
    await task


async def test_a_rest_that_is_over_is_over() -> None:
    _, task = await resting(Reader(7, 7), 0.0)
    assert task.done()
    await task


WAIT_MS = 250


class Held(Reader):
    """One who reads a second partition, too; of the first something is held back when it is paused."""

    def __init__(self, fetched: int, high: int | None) -> None:
        super().__init__(fetched, high)
        self.other = Queue(TopicPartition("t", 1), 0)
        self.other.high = 0
        self.queues[self.other.tp] = self.other

    def came(self) -> None:
        self.other.chunk = b""


class Broker:
    """Answers each fetch of the second partition with so many records, then with none; remembers how long it might wait."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)
        self.waits: list[int] = []
        self.cluster = SimpleNamespace(leader_for_partition=lambda _tp: NODE)

    async def send(self, _node: int, request: Any) -> FetchAnswer:
        self.waits.append(int.from_bytes(request._head[4:8], "big"))
        count = self.answers.pop(0) if self.answers else 0
        base = sum(1 for wait in self.waits[:-1])
        batch = base.to_bytes(8, "big") + (49).to_bytes(4, "big") + bytes(45) + count.to_bytes(4, "big")
        return FetchAnswer(0, 1, [Found(TopicPartition("t", 1), 0, base + 1, batch)] if count else [])


async def waits(reader: Held, broker: Broker, fetches: int) -> list[int]:
    fetcher = Fetcher("nowhere:1", "test", fetch_bytes=1, wait_ms=WAIT_MS, gather_s=0.0)
    fetcher._client = broker
    fetcher._readings.append(reader)
    fetcher._changed[NODE] = asyncio.Event()
    session, gait = Session(), Gait(0.0, 0.0, 0.0, 0.0)
    for _ in range(fetches):
        await fetcher._fetch(NODE, session, gait)
    return broker.waits


async def test_while_all_is_read_a_fetch_may_wait() -> None:
    assert await waits(Held(7, 7), Broker(), 3) == [WAIT_MS] * 3


@pytest.mark.parametrize("why", ["paused, and Kafka has more", "unread, and Kafka has more", "paused in a stream"])
async def test_while_something_is_held_back_it_waits_briefly_and_longer_each_time_in_vain(why: str) -> None:
    reader = Held(7, 20 if "more" in why else 7)
    reader.queue.paused = "paused" in why
    reader.queue.chunk = b"x" if "unread" in why else b""
    if "stream" in why:
        reader.queue.came_s = time.monotonic()
    assert await waits(reader, Broker(), 7) == [10, 20, 40, 80, 160, 250, 250]


async def test_what_comes_makes_it_brief_again() -> None:
    reader = Held(7, 20)
    reader.queue.paused = True
    assert await waits(reader, Broker(0, 0, 1, 0, 0), 5) == [10, 20, 40, 10, 20]


@pytest.mark.parametrize("why", ["paused at its end", "unread at its end", "never fetched"])
async def test_what_has_no_more_is_not_held_back(why: str) -> None:
    """A little traffic, above all, is not asked for again and again while it waits to be taken."""
    reader = Held(7, None if "never" in why else 7)
    reader.queue.paused = "unread" not in why
    reader.queue.chunk = b"x" if "unread" in why else b""
    assert await waits(reader, Broker(), 2) == [WAIT_MS] * 2


async def test_who_leads_is_asked_until_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that was stopped in order says that nobody leads before it is away: readers stood still for a minute after."""
    monkeypatch.setattr("bus.fetching.RETRY_S", 0.0)
    asked, leader = 0, -1

    def ask() -> asyncio.Future[bool]:
        nonlocal asked, leader
        asked += 1
        if asked == 3:
            leader = NODE
            fetcher._leaders.clear()  # as _leaders_changed does
        told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        told.set_result(asked == 3)
        return told

    cluster = SimpleNamespace(leader_for_partition=lambda _tp: leader)
    fetcher = Fetcher("nowhere:1", "test", fetch_bytes=1, wait_ms=1, gather_s=0.0)
    fetcher._client = SimpleNamespace(cluster=cluster, force_metadata_update=ask)
    fetcher._readings.append(Reader(7, 20))
    fetcher._changed[NODE] = asyncio.Event()
    fetcher._followed[NODE] = asyncio.current_task()  # type: ignore[assignment]  # there is one
    fetcher.wake()
    async with asyncio.timeout(5):
        await fetcher._changed[NODE].wait()
    await asyncio.sleep(0.01)
    assert asked == 3
