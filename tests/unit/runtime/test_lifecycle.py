"""Parts start in order and stop in reverse, each within its budget, whatever the others do."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from runtime import lifecycle as lifecycle_module
from runtime.lifecycle import Lifecycle, Part


class Journal:
    """Writes down what parts do."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def part(
        self,
        name: str,
        start: Callable[[], Awaitable[None]] | None = None,
        stop: Callable[[], Awaitable[None]] | None = None,
        **options: Any,
    ) -> Part:
        async def started() -> None:
            self.lines.append(f"+{name}")
            if start is not None:
                await start()

        async def stopped() -> None:
            self.lines.append(f"-{name}")
            if stop is not None:
                await stop()

        return Part(name, started, stopped, **options)


class Warnings:
    """In place of the room's logger."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []

    def warning(self, event: str, **facts: Any) -> None:
        self.told.append((event, facts))

    exception = warning


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> Warnings:
    told = Warnings()
    monkeypatch.setattr(lifecycle_module, "log", told)
    return told


async def forever() -> None:
    await asyncio.Event().wait()


async def fails() -> None:
    raise ValueError("no")


async def test_parts_start_in_order_and_stop_in_reverse() -> None:
    journal, lifecycle = Journal(), Lifecycle()
    for name in "abc":
        lifecycle.add(journal.part(name))
    await lifecycle.run(lambda: (journal.lines.append("ready"), lifecycle.request_stop())[0])
    assert journal.lines == ["+a", "+b", "+c", "ready", "-c", "-b", "-a"]


async def test_a_part_that_does_not_start_stops_those_before_it_and_itself() -> None:
    """What it had begun before it failed must end too."""
    journal, lifecycle = Journal(), Lifecycle()
    lifecycle.add(journal.part("a"))
    lifecycle.add(journal.part("b", start=fails))
    lifecycle.add(journal.part("c"))
    with pytest.raises(ValueError, match="no"):
        await lifecycle.run(lambda: journal.lines.append("ready"))
    assert journal.lines == ["+a", "+b", "-b", "-a"]


async def test_a_part_that_stops_badly_or_slowly_does_not_keep_the_others_from_it(warnings: Warnings) -> None:
    journal, lifecycle = Journal(), Lifecycle()
    lifecycle.add(journal.part("a"))
    lifecycle.add(journal.part("slow", stop=forever, stop_budget_s=0.01, pending=lambda: "3 receipts"))
    lifecycle.add(journal.part("bad", stop=fails))
    await lifecycle.run(lifecycle.request_stop)
    assert journal.lines == ["+a", "+slow", "+bad", "-bad", "-slow", "-a"]
    assert warnings.told == [
        ("stop_failed", {"part": "bad"}),
        ("stop_budget_used_up", {"part": "slow", "pending": "3 receipts"}),
    ]


async def test_the_failure_of_supervised_work_ends_the_run_in_order_and_is_raised() -> None:
    journal, lifecycle = Journal(), Lifecycle()

    async def start() -> None:
        lifecycle.supervise(asyncio.create_task(fails()))

    lifecycle.add(journal.part("a", start=start))
    with pytest.raises(ValueError, match="no"):
        await lifecycle.run()
    assert journal.lines == ["+a", "-a"]


async def test_supervised_work_that_ends_by_itself_ends_the_run() -> None:
    lifecycle = Lifecycle()
    ended = asyncio.create_task(asyncio.sleep(0), name="the reader")
    lifecycle.supervise(ended)
    with pytest.raises(RuntimeError, match="the reader ended"):
        await asyncio.wait_for(lifecycle.run(), 5)


async def test_supervised_work_may_end_or_be_canceled_once_the_stop_has_begun() -> None:
    lifecycle = Lifecycle()
    halt = asyncio.Event()

    async def work() -> None:
        await halt.wait()

    tasks = [asyncio.create_task(work()), asyncio.create_task(forever())]

    async def stop() -> None:
        halt.set()
        tasks[1].cancel()
        await asyncio.wait(tasks)

    for task in tasks:
        lifecycle.supervise(task)
    lifecycle.add(Journal().part("a", stop=stop))
    await lifecycle.run(lifecycle.request_stop)


async def test_the_first_failure_is_the_one_that_is_raised() -> None:
    lifecycle = Lifecycle()
    lifecycle.fail(ValueError("first"))
    lifecycle.fail(ValueError("second"))
    with pytest.raises(ValueError, match="first"):
        await lifecycle.run()


async def test_told_to_stop_before_it_began_nothing_starts() -> None:
    journal, lifecycle = Journal(), Lifecycle()
    lifecycle.add(journal.part("a"))
    lifecycle.request_stop()
    lifecycle.request_stop()
    await lifecycle.run(lambda: journal.lines.append("ready"))
    assert journal.lines == []


async def test_told_to_stop_while_a_part_starts_it_does_not_wait_for_the_start() -> None:
    """A role that waits for Kafka must be stoppable without kill -9."""
    journal, lifecycle = Journal(), Lifecycle()

    async def start() -> None:
        lifecycle.request_stop()
        await forever()

    lifecycle.add(journal.part("a"))
    lifecycle.add(journal.part("waits", start=start))
    lifecycle.add(journal.part("c"))
    await asyncio.wait_for(lifecycle.run(lambda: journal.lines.append("ready")), 5)
    assert journal.lines == ["+a", "+waits", "-waits", "-a"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signals_ask_for_the_stop(number: signal.Signals) -> None:
    journal, lifecycle = Journal(), Lifecycle()
    lifecycle.add(journal.part("a"))
    await asyncio.wait_for(lifecycle.run(lambda: os.kill(os.getpid(), number)), 5)
    assert journal.lines == ["+a", "-a"]
