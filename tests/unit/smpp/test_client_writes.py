"""How often a connection writes: each write is a system call of ours and a wake-up of the carrier."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

from smpp.client import EsmeConnection
from smpp.core.esme import BindParams, Received
from tests.unit.smpp.core.frames import deliver, frame, split

BOUND = frame(0x80000009, 1, b"smsc\0")


class Nobody:
    """A listener that does nothing."""

    def made(self, connection: Any) -> None: ...

    def received(self, connection: Any, got: Received[str]) -> None: ...

    def lost(self, connection: Any, fault: Any) -> None: ...


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def set_write_buffer_limits(self, high: int) -> None: ...

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def commands(self) -> list[list[tuple[int, int]]]:
        """(command, sequence) of each PDU, by write."""
        return [[(command, sequence) for command, _, sequence, _ in split(data)] for data in self.writes]


def bound() -> tuple[EsmeConnection[str], Wire]:
    connection, wire = EsmeConnection[str](BindParams("alpha", "secret"), Nobody()), Wire()
    connection.connection_made(cast("asyncio.Transport", wire))
    connection.data_received(BOUND + deliver(7) + deliver(8) + deliver(9))
    wire.writes.clear()
    return connection, wire


async def test_responses_of_one_turn_leave_in_one_write() -> None:
    connection, wire = bound()
    connection.respond([(7, 5)])
    connection.respond([(8, 5), (9, 5)])
    await asyncio.sleep(0)
    assert wire.commands() == [[(0x80000005, 7), (0x80000005, 8), (0x80000005, 9)]]
    await asyncio.sleep(0)
    assert len(wire.writes) == 1


async def test_responses_go_before_what_is_submitted_or_ended_after_them() -> None:
    connection, wire = bound()
    connection.respond([(7, 5)])
    connection.submit([("t", b"body")], time.monotonic())
    connection.respond([(8, 5)])
    connection.unbind()
    assert [command for write in wire.commands() for command, _ in write] == [0x80000005, 4, 0x80000005, 6]


async def test_a_response_to_a_connection_that_is_gone_is_dropped() -> None:
    connection, wire = bound()
    connection.respond([(7, 5)])
    connection.connection_lost(None)
    await asyncio.sleep(0)
    assert wire.writes == []
