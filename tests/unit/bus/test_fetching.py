"""How long a fetcher rests: a long gathering ends as soon as something is wanted that Kafka is known to have."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from bus.fetching import Fetcher, Queue
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
    fetcher = Fetcher("nowhere:1", "test", fetch_bytes=1, wait_ms=1, gather_s=0.0, stream_s=0.0)
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
