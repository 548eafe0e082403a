"""One child process: started so that it can't outlive us, watched without a thread, stopped within a budget."""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runtime.errors import UnavailableError

PR_SET_PDEATHSIG = 1
READY_POLL_S = 0.05
TAIL_LINES = 15
# Maven colours its errors even when nobody looks.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
LOG_CAP_BYTES = 16 * 1024 * 1024

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

# None when ready, else a sentence that says what is still missing.
ReadyCheck = Callable[[], Awaitable[str | None]]


@dataclass(frozen=True, slots=True)
class Account:
    """The system user that a child runs as."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Child:
    """All that is needed to start a process, to know that it is ready, and to stop it."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log: Path
    ready: ReadyCheck | None = None
    ready_timeout_s: float = 30.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_budget_s: float = 10.0
    death_signal: signal.Signals = signal.SIGKILL
    account: Account | None = None
    cwd: Path | None = None
    keep_fds: Sequence[int] = field(default=())


class Process:
    """A started Child. Belongs to no event loop: it may be started under one and stopped under another.

    Must be made in the main thread: the kernel sends the death signal when the *thread* that started the child ends.
    """

    def __init__(self, child: Child) -> None:
        """Raises UnavailableError when the program can't be run, RuntimeError in a thread."""
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("a child started in a thread would be killed when the thread ends")
        self.child = child
        rotate(child.log)
        self._log_start = child.log.stat().st_size if child.log.exists() else 0
        self._started = time.monotonic()
        with child.log.open("ab") as log:
            self._popen = _spawn(child, log.fileno())

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; minus the signal's number when it was killed by one."""
        return self._popen.poll()

    @property
    def lived_s(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._started

    def send(self, number: signal.Signals) -> None:
        """Sends a signal; nothing happens when it has ended already."""
        self._popen.send_signal(number)

    async def exited(self) -> int:
        """Waits for its end and gives the exit code."""
        if (code := self.exit_code) is not None:
            return code
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        pidfd = os.pidfd_open(self.pid)
        loop.add_reader(pidfd, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(pidfd)
            os.close(pidfd)
        return self._popen.wait()

    async def wait_ready(self) -> None:
        """Raises UnavailableError, with the last lines of its log, when it ends or is not ready in time; it is then dead."""
        deadline = time.monotonic() + self.child.ready_timeout_s
        while True:
            if self.exit_code is not None:
                raise self._failure(describe_exit(self._popen.wait()))
            # Looked at after the check as well: a port may be answered by somebody else's server.
            fault = await self._check(max(0.1, deadline - time.monotonic()))
            if fault is None and self.exit_code is None:
                return
            if time.monotonic() >= deadline:
                await self.kill()
                raise self._failure(f"not ready after {self.child.ready_timeout_s:g} s ({fault})")
            await asyncio.sleep(READY_POLL_S)

    async def _check(self, budget_s: float) -> str | None:
        if self.child.ready is None:
            return None
        try:
            async with asyncio.timeout(budget_s):
                return await self.child.ready()
        except TimeoutError:
            return "the readiness check got no answer"

    async def stop(self) -> bool:
        """Stop signal, then SIGKILL once the budget is used up. True when the budget was enough."""
        self.send(self.child.stop_signal)
        try:
            async with asyncio.timeout(self.child.stop_budget_s):
                await self.exited()
        except TimeoutError:
            await self.kill()
            return False
        return True

    async def kill(self) -> None:
        """SIGKILL, and waits for the end."""
        self.send(signal.SIGKILL)
        await self.exited()

    def tail(self, lines: int = TAIL_LINES) -> str:
        """The last lines that this process (not an earlier one) wrote."""
        with self.child.log.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, size - 64 * 1024))
            return "\n".join(_COLOUR.sub("", log.read().decode(errors="replace")).splitlines()[-lines:])

    def _failure(self, what: str) -> UnavailableError:
        said = self.tail() or "(it wrote nothing)"
        return UnavailableError(f"{self.child.name} did not start", f"{what}; the end of {self.child.log}:\n{said}")


async def run_tool(
    argv: Sequence[str],
    env: Mapping[str, str],
    timeout_s: float,
    account: Account | None = None,
    cwd: Path | None = None,
) -> str:
    """Runs a program to its end and gives what it wrote. Raises UnavailableError with the end of that when it fails."""
    name = Path(argv[0]).name
    with tempfile.TemporaryDirectory(prefix="smppd-") as scratch:
        child = Child(name, argv, env, Path(scratch) / "log", account=account, cwd=cwd, stop_budget_s=2.0)
        process = Process(child)
        try:
            async with asyncio.timeout(timeout_s):
                code = await process.exited()
        except TimeoutError:
            raise UnavailableError(f"{name} took longer than {timeout_s:g} s", process.tail()) from None
        finally:
            if process.exit_code is None:
                await process.stop()
        if code != 0:
            raise UnavailableError(f"{name} failed ({describe_exit(code)})", process.tail(40))
        return child.log.read_text(errors="replace")


def describe_exit(code: int) -> str:
    """`exit code 3`, or `killed by SIGKILL`."""
    if code < 0:
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"
    return f"exit code {code}"


def rotate(log: Path, cap_bytes: int = LOG_CAP_BYTES) -> None:
    """Makes the log's folder, and moves a log that has grown past the cap to `<name>.1`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > cap_bytes:
        log.replace(log.with_name(log.name + ".1"))


def _spawn(child: Child, output: int) -> subprocess.Popen[bytes]:
    if _libc is None:
        raise UnavailableError(
            "local servers and `smpp-dispatch dev` need Linux",
            "elsewhere use deploy/compose.yaml, with SMPPD_KAFKA_BOOTSTRAP and SMPPD_POSTGRES_DSN set",
        )
    account = child.account
    try:
        return subprocess.Popen(
            list(child.argv),
            env=dict(child.env),
            cwd=child.cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=tuple(child.keep_fds),
            # A session of its own: Ctrl-C in the terminal must reach the supervisor only, which stops all in order.
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            # Runs after the change of user, which would clear what it sets.
            preexec_fn=_die_with_parent(os.getpid(), child.death_signal),  # noqa: PLW1509
        )
    except OSError as fault:
        raise UnavailableError(f"can't run {child.argv[0]}", fault.strerror or str(fault)) from None


def _die_with_parent(parent: int, number: signal.Signals) -> Callable[[], None]:
    assert _libc is not None
    prctl = _libc.prctl

    def hook() -> None:
        # The second look closes the gap in which the parent dies before the kernel knows of the wish.
        if prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0) != 0 or os.getppid() != parent:
            os._exit(127)

    return hook
