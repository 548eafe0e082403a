"""What Kafka and Postgres have in common: prepared once, then run by us or by the supervisor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from runtime.local.lock import DirectoryLock
from runtime.local.process import Child, Process

# A killed supervisor's server needs a moment to end; Postgres at most 5 s (it then kills its own children).
LOCK_TIMEOUT_S = 15.0


class LocalServer(ABC):
    """A server over a directory of its own, on the same port for as long as this object lives.

    Alone: `start`, `stop`, `kill`. Under a supervisor: `await supervisor.start(await server.prepare())`, then `close`.
    """

    def __init__(self, home: Path, log: Path, say: Callable[[str], None]) -> None:
        self.home = home
        self.log = log
        self._say = say
        self._lock = DirectoryLock(home)
        self._process: Process | None = None

    async def prepare(self) -> Child:
        """Does what has to be done once (download, format, configure), and tells how to run it.

        Raises UnavailableError: something is missing, or the directory is in use.
        """
        await self._lock.acquire(LOCK_TIMEOUT_S)
        try:
            return await self._prepare()
        except BaseException:
            self._lock.release()
            raise

    @abstractmethod
    async def _prepare(self) -> Child: ...

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs under `start`."""
        return self._process.pid if self._process is not None and self._process.exit_code is None else None

    async def start(self) -> None:
        """Runs the server and waits until it answers. May be called again after `stop` or `kill`: same port, same data.

        Raises UnavailableError with the end of its log.
        """
        if self.pid is not None:
            return
        child = await self.prepare()
        self._process = Process(child)
        await self.wait_ready()

    async def wait_ready(self) -> None:
        """Raises UnavailableError when the server ends or does not answer in time."""
        if self._process is None:
            raise RuntimeError("not started")
        await self._process.wait_ready()

    async def stop(self) -> bool:
        """In order, within the budget, else SIGKILL (then False). The directory is free afterwards."""
        in_time = await self._process.stop() if self._process is not None else True
        self.close()
        return in_time

    async def kill(self) -> None:
        """SIGKILL: nothing is flushed or closed. The directory stays ours, for the next `start`."""
        if self._process is not None:
            await self._process.kill()

    def close(self) -> None:
        """Gives the directory back once the server has ended."""
        self._process = None
        self._lock.release()
