"""What uvloop says of a write to a transport that was closed a moment ago ends a request, not the routine that made it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiokafka.errors as kafka_errors
import pytest
from aiokafka.conn import AIOKafkaConnection
from aiokafka.protocol.group import HeartbeatRequest

from bus import broken_writes


class Closed:
    """A writer over uvloop's closed TCPTransport."""

    def __init__(self) -> None:
        self.closed = False

    def write(self, data: bytes) -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("module", ["kafka_member", "kafka_publisher", "kafka_reader"])
def test_who_opens_connections_has_it(module: str) -> None:
    """Each alone: a process may use only one of them."""
    program = (
        f"import bus.{module}, bus.broken_writes as b, aiokafka.conn as c; assert c.AIOKafkaConnection.send is b._send"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[3])


async def test_a_write_to_a_closed_transport_is_a_broken_connection() -> None:
    broken_writes.mend()
    connection: Any = AIOKafkaConnection("127.0.0.1", 9092, request_timeout_ms=1000)
    writer = connection._writer = Closed()
    connection._reader, connection._versions = asyncio.StreamReader(), None
    connection._read_task = asyncio.get_running_loop().create_future()
    request = HeartbeatRequest("group", 1, "member")
    request.prepare = lambda _versions: request
    request.build_request_header = lambda **_options: request
    request.encode = lambda: b"encoded"
    with pytest.raises(kafka_errors.KafkaConnectionError, match="the handler is closed"):
        connection.send(request)
    assert writer.closed
    assert not connection.connected()
