"""One child process: readiness, stopping within a budget, its log, and that it dies with its parent."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.errors import UnavailableError
from runtime.local.process import Child, Process, describe_exit, rotate, run_tool
from tests.servers import wait_gone

ENV = {"PATH": os.defpath}
DEAF = "trap '' TERM; echo deaf; while :; do sleep 0.05; done"
PROJECT = Path(__file__).resolve().parents[4]


def child(tmp_path: Path, script: str, **rest: object) -> Child:
    return Child("thing", ["/bin/sh", "-c", script], ENV, tmp_path / "logs" / "thing.log", **rest)  # type: ignore[arg-type]


def says(path: Path, word: str) -> object:
    async def check() -> str | None:
        return None if word in path.read_text() else f"no {word} yet"  # noqa: ASYNC240

    return check


async def test_it_runs_and_gives_its_exit_code(tmp_path: Path) -> None:
    process = Process(child(tmp_path, "exit 3"))
    assert await process.exited() == 3
    assert process.exit_code == 3


async def test_two_may_wait_for_its_end_and_late_ones_get_it_too(tmp_path: Path) -> None:
    process = Process(child(tmp_path, "exec sleep 60"))
    process.send(signal.SIGKILL)
    assert [await process.exited(), await process.exited()] == [-signal.SIGKILL] * 2
    process.send(signal.SIGTERM)


async def test_a_child_that_ends_before_it_is_ready_is_told_with_its_last_lines(tmp_path: Path) -> None:
    process = Process(child(tmp_path, "echo port is taken; exit 4", ready=says(tmp_path / "logs/thing.log", "ready")))
    with pytest.raises(UnavailableError, match=r"(?s)thing did not start: exit code 4.*port is taken"):
        await process.wait_ready()


async def test_a_child_that_is_never_ready_is_killed_and_told_with_what_it_waits_for(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "thing.log"
    process = Process(child(tmp_path, "exec sleep 60", ready=says(log, "ready"), ready_timeout_s=0.05))
    with pytest.raises(UnavailableError, match=r"not ready after 0\.05 s .no ready yet"):
        await process.wait_ready()
    assert process.exit_code == -signal.SIGKILL


async def test_the_lines_of_an_earlier_run_are_not_shown(tmp_path: Path) -> None:
    await Process(child(tmp_path, "echo old")).exited()
    process = Process(child(tmp_path, "echo new"))
    await process.exited()
    assert process.tail() == "new"
    assert process.child.log.read_text() == "old\nnew\n"


async def test_stop_ends_it_with_its_signal(tmp_path: Path) -> None:
    process = Process(child(tmp_path, "exec sleep 60", stop_signal=signal.SIGINT))
    assert await process.stop() is True
    assert process.exit_code == -signal.SIGINT


async def test_one_that_is_deaf_to_the_signal_is_killed_when_the_budget_is_used_up(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "thing.log"
    process = Process(child(tmp_path, DEAF, ready=says(log, "deaf"), stop_budget_s=0.1))
    await process.wait_ready()
    assert await process.stop() is False
    assert process.exit_code == -signal.SIGKILL


async def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="/nonexistent: No such file"):
        Process(Child("x", ["/nonexistent"], ENV, tmp_path / "log"))


async def test_ctrl_c_in_the_terminal_does_not_reach_it(tmp_path: Path) -> None:
    process = Process(child(tmp_path, "exec sleep 60"))
    assert os.getpgid(process.pid) == process.pid != os.getpgid(0)
    await process.kill()


def test_it_dies_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from runtime.local.process import Child, Process\n"
        f"p = Process(Child('x', ['/bin/sleep', '60'], {{}}, Path({str(tmp_path / 'log')!r})))\n"
        "print(p.pid, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=PROJECT, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
        assert wait_gone([pid], 5) == []


async def test_a_tool_gives_what_it_wrote() -> None:
    assert await run_tool(["/bin/sh", "-c", "echo a; echo b >&2"], ENV, 5) == "a\nb\n"


async def test_a_tool_that_fails_is_told_with_what_it_wrote() -> None:
    with pytest.raises(UnavailableError, match=r"(?s)sh failed \(exit code 7\).*no disk"):
        await run_tool(["/bin/sh", "-c", "echo no disk; exit 7"], ENV, 5)


async def test_a_tool_that_hangs_is_ended() -> None:
    with pytest.raises(UnavailableError, match=r"sleep took longer than 0\.05 s"):
        await run_tool(["/bin/sleep", "60"], ENV, 0.05)


@pytest.mark.parametrize(
    ("code", "words"),
    [(3, "exit code 3"), (-9, "killed by SIGKILL"), (-64, "killed by SIGRTMAX"), (-99, "killed by signal 99")],
)
def test_exits_in_words(code: int, words: str) -> None:
    assert describe_exit(code) == words


def test_a_log_that_has_grown_too_long_is_moved_away(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"12345")
    rotate(log, cap_bytes=5)
    assert log.exists()
    rotate(log, cap_bytes=4)
    assert not log.exists()
    assert (tmp_path / "a.log.1").read_bytes() == b"12345"


async def test_a_child_is_not_started_in_a_thread_whose_end_would_kill_it(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="in a thread"):
        await asyncio.to_thread(Process, child(tmp_path, "exec sleep 60"))
