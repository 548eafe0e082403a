"""A data directory has one owner, and a dead owner's server keeps it until that is gone too."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from runtime.errors import UnavailableError
from runtime.local.lock import DirectoryLock
from runtime.local.process import Child, Process


async def test_a_second_owner_is_refused_until_the_first_lets_go(tmp_path: Path) -> None:
    first, second = DirectoryLock(tmp_path / "data"), DirectoryLock(tmp_path / "data")
    await first.acquire(0)
    with pytest.raises(UnavailableError, match=f"in use by process {os.getpid()}"):
        await second.acquire(0)
    first.release()
    await second.acquire(0)
    assert (first.held, second.held) == (False, True)
    second.release()


async def test_to_acquire_twice_is_to_hold_once(tmp_path: Path) -> None:
    lock = DirectoryLock(tmp_path)
    await lock.acquire(0)
    await lock.acquire(0)
    lock.release()
    assert DirectoryLock(tmp_path).try_acquire()


async def test_a_child_that_was_given_the_lock_keeps_it_until_it_ends(tmp_path: Path) -> None:
    lock, other = DirectoryLock(tmp_path), DirectoryLock(tmp_path)
    await lock.acquire(0)
    server = Process(Child("server", ["/bin/sleep", "60"], {}, tmp_path / "log", keep_fds=(lock.fd,)))
    lock.release()
    assert not other.try_acquire()
    server.send(signal.SIGKILL)
    await server.exited()
    assert other.try_acquire()
    other.release()


def test_an_unlocked_directory_has_no_descriptor_to_hand_on(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="not locked"):
        _ = DirectoryLock(tmp_path).fd
