"""A simulator as its own process, and a small asyncio ESME on smpp.core to talk to it."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, cast

import httpx

from smpp.core.constants import Command
from smpp.core.esme import Answer, BindParams, EsmeSession
from smpp.core.session import Note, State
from smpp.core.sm import Delivery, Sm, encode_sm

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 20.0


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "cli", "simulator", *words]


class Running:
    """A simulator that listens."""

    def __init__(self, process: subprocess.Popen[str], ready: dict[str, Any]) -> None:
        self.process = process
        self.port: int = ready["smpp_port"]
        self.http = httpx.Client(base_url=ready["http"], timeout=PATIENCE_S)

    def stats(self) -> dict[str, Any]:
        return cast("dict[str, Any]", self.http.get("/stats").raise_for_status().json())

    def fault(self, name: str, **options: Any) -> str:
        return str(self.http.post(f"/faults/{name}", json=options).raise_for_status().json()["fault_id"])

    def end(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal and tells the exit code."""
        os.kill(self.process.pid, number)
        return self.process.wait(PATIENCE_S)


@contextmanager
def simulator(*words: str) -> Iterator[Running]:
    """Starts a simulator on free ports; ends it."""
    process = subprocess.Popen(
        command("--port", "0", "--http-port", "0", "--json-ready", *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        readable, _, _ = select.select([process.stdout], [], [], PATIENCE_S)
        line = process.stdout.readline() if readable else ""
        assert line, process.stderr.read() if process.poll() is not None else "not ready in time"
        running = Running(process, json.loads(line))
        yield running
        running.http.close()
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


class Esme(asyncio.Protocol):
    """A client. Receipts are acknowledged at once; `changed` is set whenever something came."""

    def __init__(self, system_id: str, password: str, bind_command: Command) -> None:
        loop = asyncio.get_running_loop()
        self._now = loop.time
        self.session: EsmeSession[int] = EsmeSession(BindParams(system_id, password, command=bind_command), self._now())
        self.answers: list[Answer[int]] = []
        self.deliveries: list[Delivery] = []
        self.notes: list[Note] = []
        self.lost = False
        self.changed = asyncio.Event()
        self._sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self.session.bind())

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self.changed.set()

    def data_received(self, data: bytes) -> None:
        got = self.session.receive(data, self._now())
        self.answers += got.answers
        self.deliveries += got.deliveries
        self.notes += got.notes
        self.transport.write(
            got.output + self.session.respond([(given.sequence, given.command_id) for given in got.deliveries])
        )
        self.changed.set()

    def submit(self, messages: list[Sm]) -> None:
        batch = [(self._sent + at, encode_sm(message)) for at, message in enumerate(messages)]
        self._sent += len(batch)
        self.transport.write(self.session.submit(batch, self._now()))

    async def until(self, done: Callable[[Esme], bool]) -> None:
        """Waits until `done` is true of it. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE_S):
            while not done(self):
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def esme(
    port: int,
    system_id: str = "alpha",
    password: str = "secret",
    bind_command: Command = Command.BIND_TRANSCEIVER,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Esme]:
    """A client whose bind was answered, one way or the other."""
    client = Esme(system_id, password, bind_command)
    await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", port, ssl=tls)
    await client.until(lambda it: it.session.state in (State.BOUND, State.CLOSED) or it.lost)
    try:
        yield client
    finally:
        client.transport.abort()


def messages(count: int, registered: int = 1) -> list[Sm]:
    """Messages that differ in destination and text."""
    return [
        Sm("", 5, 0, "Acme", 1, 1, f"86138{at:08}", 0, 0, 0, "", "", registered, 0, 0, 0, b"text %d" % at)
        for at in range(count)
    ]
