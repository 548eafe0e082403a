"""Start in order, keep alive, stop in reverse, leave nothing behind. The children are tiny and real."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.errors import UnavailableError
from runtime.local.backoff import Backoff
from runtime.local.process import Child
from runtime.local.supervisor import Supervisor
from tests.servers import wait_gone

ENV = {"PATH": os.defpath}
PROJECT = Path(__file__).resolve().parents[4]
# So short that no test waits for it.
QUICK = Backoff(base_s=0.001, cap_s=0.002)
BUDGET_S = 5.0

# Tells of its start and its end in a shared diary.
DIARIST = "trap 'echo -$0 >>{diary}; exit' TERM; echo +$0 >>{diary}; echo ready; while :; do sleep 0.02; done"


class Workshop:
    """Makes children whose doings can be read in a diary, and a supervisor whose words are kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.diary = folder / "diary"
        self.diary.touch()
        self.said: list[str] = []

    def supervisor(self, backoff: Backoff = QUICK) -> Supervisor:
        return Supervisor(self.said.append, backoff)

    def child(self, name: str, script: str = DIARIST, **rest: object) -> Child:
        log = self.folder / f"{name}.log"
        argv = ["/bin/sh", "-c", script.replace("{diary}", str(self.diary)), name]
        return Child(name, argv, ENV, log, **{"ready": self.says_ready(log), **rest})  # type: ignore[arg-type]

    @staticmethod
    def says_ready(log: Path) -> Callable[[], object]:
        async def check() -> str | None:
            return None if "ready" in log.read_text() else "no ready yet"  # noqa: ASYNC240

        return check

    def entries(self) -> list[str]:
        return self.diary.read_text().split()

    def heard(self, words: str) -> bool:
        return any(words in line for line in self.said)


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


async def test_children_start_in_order_and_stop_in_reverse(shop: Workshop) -> None:
    async with shop.supervisor() as supervisor:
        for name in ("kafka", "api", "load"):
            await supervisor.start(shop.child(name))
    assert shop.entries() == ["+kafka", "+api", "+load", "-load", "-api", "-kafka"]


async def test_children_of_one_call_start_and_stop_together(shop: Workshop) -> None:
    async with shop.supervisor() as supervisor:
        await supervisor.start(shop.child("a"), shop.child("b"))
        await supervisor.start(shop.child("c"))
        assert [state.ready for state in supervisor.states()] == [True] * 3
    entries = shop.entries()
    assert (set(entries[:2]), entries[2:4], set(entries[4:])) == ({"+a", "+b"}, ["+c", "-c"], {"-a", "-b"})


async def test_a_child_that_does_not_come_up_ends_the_start_and_stops_the_others(shop: Workshop) -> None:
    async def start_both() -> None:
        async with asyncio.timeout(BUDGET_S), shop.supervisor() as supervisor:
            await supervisor.start(shop.child("a"))
            await supervisor.start(shop.child("b", "echo unknown setting; exit 2"))

    with pytest.raises(UnavailableError, match=r"(?s)b did not start: exit code 2.*unknown setting"):
        await start_both()
    assert shop.entries() == ["+a", "-a"]


async def test_a_killed_child_is_started_again_and_that_is_said(shop: Workshop) -> None:
    async with shop.supervisor() as supervisor, asyncio.timeout(BUDGET_S):
        await supervisor.start(shop.child("a"))
        before = supervisor.pid("a")
        supervisor.kill("a")
        await supervisor.wait_ready("a")
        state = supervisor.states()[0]
        assert state.pid not in (None, before)
        assert (state.ready, state.restarts) == (True, 1)
        assert shop.heard(f"a (pid {before}) has ended: killed by SIGKILL")
        assert shop.heard(f"a is back as pid {state.pid}")


async def test_from_the_kill_on_it_does_not_count_as_ready(shop: Workshop) -> None:
    async with shop.supervisor() as supervisor:
        await supervisor.start(shop.child("a"))
        supervisor.kill("a", signal.SIGTERM)
        assert supervisor.states()[0].ready is False


async def test_one_that_fails_again_and_again_is_tried_until_it_comes_up(shop: Workshop) -> None:
    fails_twice = "echo + >>{diary}; case $(wc -l <{diary}) in 2|3) exit 9;; esac; exec sleep 60"

    good_start = 1

    async def is_good() -> str | None:
        return None if len(shop.entries()) == good_start else "not yet"

    child = shop.child("a", fails_twice, ready=is_good)
    async with shop.supervisor() as supervisor, asyncio.timeout(BUDGET_S):
        await supervisor.start(child)
        good_start = 4
        supervisor.kill("a")
        await supervisor.wait_ready("a")
        assert supervisor.states()[0].restarts == 3
    assert sum("exit code 9" in line for line in shop.said) == 2


async def test_a_paused_child_stays_down_until_it_is_resumed(shop: Workshop) -> None:
    async with shop.supervisor() as supervisor, asyncio.timeout(BUDGET_S):
        await supervisor.start(shop.child("a"))
        supervisor.pause_restart("a")
        supervisor.kill("a")
        while not shop.heard("stays down"):
            await asyncio.sleep(0.005)
        assert supervisor.pid("a") is None
        supervisor.resume_restart("a")
        await supervisor.wait_ready("a")
        assert supervisor.pid("a") is not None


async def test_one_that_does_not_stop_in_time_is_killed_and_named(shop: Workshop) -> None:
    deaf = "trap '' TERM; echo ready; while :; do sleep 0.02; done"
    async with shop.supervisor() as supervisor:
        await supervisor.start(shop.child("deaf", deaf, stop_budget_s=0.1))
        pids = [state.pid for state in supervisor.states() if state.pid is not None]
    assert len(pids) == 1
    assert wait_gone(pids, 0) == []
    assert shop.heard("deaf did not stop within 0.1 s: killed")


async def test_a_child_that_is_waiting_for_its_restart_does_not_come_back_after_the_stop(shop: Workshop) -> None:
    async with shop.supervisor(Backoff(base_s=1000, cap_s=1000)) as supervisor, asyncio.timeout(BUDGET_S):
        await supervisor.start(shop.child("a"))
        supervisor.kill("a")
        while not shop.heard("has ended"):
            await asyncio.sleep(0.005)
    assert shop.entries() == ["+a"]


async def test_a_name_can_be_had_once(shop: Workshop) -> None:
    async with shop.supervisor() as supervisor:
        await supervisor.start(shop.child("a"))
        with pytest.raises(ValueError, match="twice"):
            await supervisor.start(shop.child("a"))
        with pytest.raises(KeyError, match="no child b; there are a"):
            supervisor.pid("b")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_the_body_and_stops_the_children(shop: Workshop, number: signal.Signals) -> None:
    async with asyncio.timeout(BUDGET_S), shop.supervisor() as supervisor:
        await supervisor.start(shop.child("a"))
        os.kill(os.getpid(), number)
        await supervisor.forever()
    assert supervisor.signalled is number
    assert shop.entries() == ["+a", "-a"]


async def test_a_signal_during_the_start_stops_what_is_half_up(shop: Workshop) -> None:
    async with asyncio.timeout(BUDGET_S), shop.supervisor() as supervisor:
        asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signal.SIGTERM)
        await supervisor.start(shop.child("slow", "exec sleep 60"))
        pytest.fail("it was never ready")
    assert supervisor.signalled is signal.SIGTERM
    assert supervisor.states() == []


async def test_a_second_signal_kills_what_is_slow_to_stop(shop: Workshop) -> None:
    deaf = "trap 'echo -$0 >>{diary}' TERM; echo ready; while :; do sleep 0.02; done"
    async with asyncio.timeout(BUDGET_S), shop.supervisor() as supervisor:
        await supervisor.start(shop.child("deaf", deaf, stop_budget_s=60.0))
        asyncio.create_task(_again_once(lambda: "-deaf" in shop.entries()))  # noqa: RUF006
        os.kill(os.getpid(), signal.SIGINT)
        await supervisor.forever()
    assert shop.heard("again: kill")


async def _again_once(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)
    os.kill(os.getpid(), signal.SIGINT)


async def test_a_signal_while_it_is_stopping_anyway_does_not_cut_the_stop_short(shop: Workshop) -> None:
    slow = (
        "trap 'echo -$0 >>{diary}; sleep 0.2; echo =$0 >>{diary}; exit' TERM; echo ready; while :; do sleep 0.02; done"
    )
    async with asyncio.timeout(BUDGET_S), shop.supervisor() as supervisor:
        await supervisor.start(shop.child("slow", slow))
        asyncio.create_task(_again_once(lambda: "-slow" in shop.entries()))  # noqa: RUF006
    assert shop.entries() == ["-slow", "=slow"]


async def test_a_cancellation_from_elsewhere_passes_through(shop: Workshop) -> None:
    async def run_for_a_moment() -> None:
        async with asyncio.timeout(BUDGET_S) as budget, shop.supervisor() as supervisor:
            await supervisor.start(shop.child("a"))
            budget.reschedule(0)
            await supervisor.forever()

    with pytest.raises(TimeoutError):
        await run_for_a_moment()
    assert shop.entries() == ["+a", "-a"]


SUPERVISED = """
import asyncio, sys
from pathlib import Path
from runtime.local.process import Child
from runtime.local.supervisor import Supervisor
async def main():
    async with Supervisor(lambda line: None) as supervisor:
        folder = Path(sys.argv[1])
        await supervisor.start(*(Child(n, ["/bin/sleep", "60"], {}, folder / n) for n in "abc"))
        print(*(state.pid for state in supervisor.states()), flush=True)
        await supervisor.forever()
{run}
"""
LOOPS = {
    "asyncio": "asyncio.run(main())",
    "uvloop": "import uvloop; asyncio.Runner(loop_factory=uvloop.new_event_loop).run(main())",
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_when_the_supervisor_ends(tmp_path: Path, loop: str, number: signal.Signals) -> None:
    command = [sys.executable, "-c", SUPERVISED.replace("{run}", LOOPS[loop]), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=PROJECT, text=True) as process:
        assert process.stdout is not None
        pids = [int(word) for word in process.stdout.readline().split()]
        assert len(pids) == 3
        began = time.monotonic()
        process.send_signal(number)
        assert wait_gone(pids, 5) == []
        assert process.wait(5) == (0 if number is signal.SIGTERM else -number)
        assert time.monotonic() - began < 5
