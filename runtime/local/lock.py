"""One owner for a data directory: a lock that lasts as long as any process that uses the directory."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from pathlib import Path

from runtime.errors import UnavailableError

POLL_S = 0.1


class DirectoryLock:
    """flock on `<directory>/lock`. Its descriptor is handed to the server too (`Child.keep_fds`): when a supervisor was

    killed, the next one waits here until that server is really gone, and no stale lock is ever left.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._fd: int | None = None

    @property
    def fd(self) -> int:
        """Raises RuntimeError when the lock is not held."""
        if self._fd is None:
            raise RuntimeError(f"{self._directory} is not locked")
        return self._fd

    @property
    def held(self) -> bool:
        return self._fd is not None

    async def acquire(self, timeout_s: float) -> None:
        """Raises UnavailableError when another process keeps the directory. Does nothing when held already."""
        if self._fd is not None:
            return
        deadline = time.monotonic() + timeout_s
        while not self.try_acquire():
            if time.monotonic() >= deadline:
                raise UnavailableError(
                    f"{self._directory} is in use by process {self._holder()}",
                    "a `make run` or `make demo` is still up in this checkout: stop it first",
                )
            await asyncio.sleep(POLL_S)

    def try_acquire(self) -> bool:
        """True when the lock is now ours."""
        self._directory.mkdir(parents=True, exist_ok=True)
        fd = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd
        return True

    def release(self) -> None:
        """Lets go of our hold; a server that still lives keeps its own."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _holder(self) -> str:
        try:
            return (self._directory / "lock").read_text().strip() or "unknown"
        except OSError:
            return "unknown"
