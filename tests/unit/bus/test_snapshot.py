"""The snapshot over a reader that is slow, fails, or knows nothing yet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

import pytest

from bus import snapshot as snapshot_module
from bus.memory import MemoryRecord
from bus.ports import StoredRecord, TopicPartition
from bus.snapshot import Snapshot

TP = TopicPartition("reference", 0)


class SlowReader:
    """As aiokafka's: an empty poll may only mean that no broker answered yet, and then there is no high water mark either."""

    def __init__(self, end: int) -> None:
        self.end = end
        self.position = 0
        self.answers: asyncio.Queue[list[MemoryRecord] | Exception | None] = asyncio.Queue()
        self.heard = False
        self.stopped = False

    async def start(self, positions: Mapping[TopicPartition, int]) -> None:
        self.position = positions[TP]

    async def stop(self) -> None:
        self.stopped = True

    async def poll(self, timeout_s: float, most: int) -> Mapping[TopicPartition, Sequence[StoredRecord]]:
        try:
            answer = await asyncio.wait_for(self.answers.get(), 0.002)
        except TimeoutError:
            return {}
        if isinstance(answer, Exception):
            raise answer
        self.heard = True
        if not answer:
            self.position = self.end
            return {}
        self.position = answer[-1].offset + 1
        return {TP: answer}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.position = offset

    async def ends(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        return {TP: self.end}

    async def begins(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        return {TP: 0}

    def lag(self) -> Mapping[TopicPartition, int]:
        return {TP: self.end - self.position} if self.heard else {}

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        raise AssertionError("nobody pauses it")

    resume = pause


def records(*offsets: int) -> list[MemoryRecord]:
    return [MemoryRecord(offset, 0, b"k%d" % offset, b"v") for offset in offsets]


class Rig:
    """A snapshot that starts over a slow reader."""

    def __init__(self, end: int) -> None:
        self.reader = SlowReader(end)
        self.applied: list[bytes] = []
        self.snapshot = Snapshot(self.reader, TP.topic, lambda key, _value: self.applied.append(key))
        self.starting = asyncio.create_task(self.snapshot.start())

    async def answer(self, *answers: Any) -> None:
        for answer in answers:
            self.reader.answers.put_nowait(answer)
        for _ in range(200):
            await asyncio.sleep(0.001)
            if self.starting.done():
                return


@pytest.fixture
async def rig(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    monkeypatch.setattr(snapshot_module, "RETRY_S", 0.001)
    made = Rig(5)
    yield made
    made.starting.cancel()
    await made.snapshot.stop()
    assert made.reader.stopped


async def test_the_start_waits_for_a_broker_that_is_slow(rig: Rig) -> None:
    """An empty poll is no empty topic: without its keys the api would refuse everybody, without its facts the gate let all go."""
    await rig.answer()
    assert not rig.starting.done()
    await rig.answer(records(0, 1, 2))
    assert not rig.starting.done()
    await rig.answer(records(3, 4))
    assert rig.starting.done()
    assert len(rig.applied) == 5


async def test_a_gap_at_the_end_is_no_reason_to_wait_once_the_broker_said_so(rig: Rig) -> None:
    await rig.answer(records(0, 1), None)
    assert rig.starting.done()
    assert rig.snapshot.position == 5


async def test_a_poll_that_fails_is_tried_again(rig: Rig) -> None:
    await rig.answer(OSError("reset"), records(0, 1), OSError("reset"), records(2, 3, 4))
    assert rig.starting.done()
    assert len(rig.applied) == 5


async def test_the_position_never_goes_back(rig: Rig) -> None:
    seen = []
    for answer in (records(0), records(1, 2), records(3, 4)):
        await rig.answer(answer)
        seen.append(rig.snapshot.position)
    assert seen == [1, 3, 5]


async def test_a_record_that_can_t_be_applied_does_not_end_the_following(rig: Rig) -> None:
    def apply(key: bytes, _value: bytes | None) -> None:
        if key == b"k1":
            raise ValueError("not hexadecimal")
        rig.applied.append(key)

    rig.snapshot._apply = apply
    await rig.answer(records(0, 1, 2), records(3, 4))
    assert rig.starting.done()
    assert rig.applied == [b"k0", b"k2", b"k3", b"k4"]
