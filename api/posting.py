"""Into Kafka, within a bounded time: the records of one request go in together, and 202 waits for all of their
acknowledgements with one future."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from api.problems import Refusal, refusal
from bus.ports import Entry, Publisher, TopicPartition

Batches = Mapping[TopicPartition, Sequence[Entry]]


def unavailable(detail: str) -> Refusal:
    """Kafka has not got it; what timed out may still get there."""
    return refusal("intake_unavailable", detail)


class _Wait:
    """Counts acknowledgements; what comes after the wait is over changes nothing."""

    __slots__ = ("missing", "over", "unknown")

    def __init__(self, queues: Batches, over: asyncio.Future[None]) -> None:
        self.missing = set(queues)
        self.unknown: set[TopicPartition] = set()
        self.over = over

    def done(self, queue: TopicPartition, fault: Exception | None) -> None:
        if self.over.done():
            return
        self.missing.discard(queue)
        if fault is not None:
            self.unknown.add(queue)
        if not self.missing:
            self.over.set_result(None)

    def expire(self) -> None:
        if not self.over.done():
            self.unknown |= self.missing
            self.over.set_result(None)


class Posting:
    """Publishes with a time limit. `timeout_s`: most that a request waits; `most_bytes`: most that waits in this process."""

    def __init__(self, publisher: Publisher, timeout_s: float, most_bytes: int) -> None:
        self._publisher = publisher
        self._timeout_s = timeout_s
        self._most_bytes = most_bytes

    def fault(self) -> str | None:
        """Why nothing can be accepted now; None when it can. A sentence for people."""
        waiting_s = self._publisher.waiting_s()
        if waiting_s > self._timeout_s:
            return f"Kafka has not confirmed anything for {waiting_s:.1f} s"
        if self._publisher.backlog_bytes > self._most_bytes:
            return "too much waits for Kafka in this process"
        return None

    def check(self) -> None:
        """Raises Refusal (intake_unavailable) when a publish would only add to what waits: then nothing was sent."""
        fault = self.fault()
        if fault is not None:
            raise unavailable(f"{fault}; this request was not sent")

    async def post(self, batches: Batches) -> set[TopicPartition]:
        """Publishes, each queue's records with one call; gives the queues that did not confirm in time: what went there
        may or may not be in Kafka."""
        if not batches:
            return set()
        loop = asyncio.get_running_loop()
        wait = _Wait(batches, loop.create_future())
        for queue, entries in batches.items():
            self._publisher.publish(queue.topic, queue.partition, entries, partial(wait.done, queue))
        timer = loop.call_later(self._timeout_s, wait.expire)
        try:
            await wait.over
        finally:
            timer.cancel()
        return wait.unknown

    def note(self, queue: TopicPartition, entry: Entry) -> None:
        """Publishes what nobody waits for, again and again until it is there."""
        self._publisher.publish(queue.topic, queue.partition, [entry], _nothing, lasting=True)


def _nothing(_fault: Exception | None) -> None:
    return None
