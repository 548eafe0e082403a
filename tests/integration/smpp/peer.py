"""A scripted SMSC on a real socket, and a listener that writes down what the client tells."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from smpp.client import EsmeConnection
from smpp.core.errors import ConnectionFault
from smpp.core.esme import Answer, Received
from smpp.core.sm import Delivery
from tests.unit.smpp.core.frames import frame, split

BOUND = frame(0x80000009, 1, b"smsc\0")


class Peer:
    """The SMSC's end of one connection, by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def pdu(self) -> tuple[int, int, int, bytes]:
        """The next PDU that the client sent."""
        head = await self.reader.readexactly(16)
        ((command, status, sequence, _),) = split(head[:0] + (16).to_bytes(4, "big") + head[4:])
        body = await self.reader.readexactly(int.from_bytes(head[:4], "big") - 16)
        return command, status, sequence, body

    def send(self, *pdus: bytes) -> None:
        self.writer.write(b"".join(pdus))

    async def bind(self, answer: bytes = BOUND) -> None:
        command, _, sequence, _ = await self.pdu()
        assert (command & 0xF, sequence) == (command, 1)
        self.send(answer)

    async def gone(self) -> None:
        """Until the client has closed."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass


@dataclass
class Heard:
    """What a connection told, in its order."""

    answers: list[Answer[str]] = field(default_factory=list)
    late: list[Answer[str]] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    fault: ConnectionFault | None = None
    connection: EsmeConnection[str] | None = None
    turns: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def made(self, connection: EsmeConnection[str]) -> None:
        assert self.connection is None
        self.connection = connection

    def received(self, connection: EsmeConnection[str], got: Received[str]) -> None:
        assert connection is self.connection
        assert self.fault is None, "nothing is told after the end"
        self.turns += 1
        self.answers += got.answers
        self.late += got.late
        self.unanswered += got.unanswered
        self.deliveries += got.deliveries
        self.notes += [note.kind for note in got.notes]
        self._changed.set()

    def lost(self, connection: EsmeConnection[str], fault: ConnectionFault) -> None:
        assert self.fault is None, "the end is told once"
        self.fault = fault
        self._changed.set()

    async def until(self, true: Callable[[Heard], object], within_s: float = 5.0) -> None:
        async with asyncio.timeout(within_s):
            while not true(self):
                self._changed.clear()
                await self._changed.wait()


@contextlib.asynccontextmanager
async def smsc(
    script: Callable[[Peer], Awaitable[Any]], tls: ssl.SSLContext | None = None, receive_buffer: int | None = None
) -> AsyncIterator[int]:
    """The port of an SMSC that plays `script` with each client. What the script raises fails the test."""
    faults: list[BaseException] = []
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await script(Peer(reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        except BaseException as fault:
            faults.append(fault)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls, limit=receive_buffer or 2**16)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if faults:
        raise faults[0]
