"""Between the foreign stack and the carrier: a relay on loopback that times and frames what passes, speaks TLS where the
stack can't, and guards other messages' receipts.

A bind takes part in the carrier's deliveries: it may be given receipts that our lanes wait for. The stack would
acknowledge them, and they would be gone (promise P3). So what is not the probe's own never reaches it: the relay answers with
the carrier's temporary error, and the SMSC sends it again, to a lane.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from typing import Final, NamedTuple

from smpp.core.constants import HEADER_BYTES, MAX_PDU_BYTES, RESPONSE, Command
from smpp.core.errors import PduFault
from smpp.core.pdu import HEADER, header_only
from smpp.core.sm import decode_data_sm, decode_delivery
from smpp.message_ids import receipt_keys, submit_key
from smpp.receipt import parse

STOP_BUDGET_S: Final = 2.0
MOST_SEEN: Final = 10_000
_DELIVERIES: Final = (Command.DELIVER_SM, Command.DATA_SM)


class Seen(NamedTuple):
    """One PDU from the carrier. `at`: monotonic seconds."""

    at: float
    command: int
    status: int
    sequence: int
    pdu: bytes


class Guard:
    """Lets the receipt of the probe's own message through, and nothing else that is delivered."""

    def __init__(self, message_id_form: str) -> None:
        self._form = message_id_form
        self.smsc_message_id = ""
        self.refused = 0

    def submitted(self, pdu: bytes) -> None:
        """A positive submit_sm_resp: its message id is what the receipt will name."""
        self.smsc_message_id = pdu[HEADER_BYTES:].split(b"\0", 1)[0].decode("latin-1")

    def lets(self, command: int, sequence: int, pdu: bytes) -> bool:
        """Whether this delivery is the probe's own."""
        if not self.smsc_message_id:
            return False
        decode = decode_delivery if command == Command.DELIVER_SM else decode_data_sm
        try:
            delivery = decode(pdu, HEADER_BYTES, len(pdu), sequence)
        except PduFault:
            return False
        told = parse(delivery.user_data, dict(delivery.tlvs) if delivery.tlvs else {})
        wanted = submit_key(self.smsc_message_id, self._form)
        return told is not None and wanted in receipt_keys(told.message_id, self._form)


class Relay:
    """One connection to the carrier, offered once on a loopback port. `fault`: why it ended, once `closed` is set."""

    def __init__(
        self,
        upstream: tuple[StreamReader, StreamWriter],
        guard: Guard,
        busy_status: int,
        tell_pdu: Callable[[str], None] | None,
    ) -> None:
        self._reader, self._writer = upstream
        self._guard = guard
        self._busy_status = busy_status
        self._tell_pdu = tell_pdu
        self._server: asyncio.Server | None = None
        self._pumps: list[asyncio.Task[None]] = []
        self._clients: list[StreamWriter] = []
        self.seen: asyncio.Queue[Seen] = asyncio.Queue(MOST_SEEN)
        self.closed = asyncio.Event()
        self.fault = ""

    async def start(self) -> int:
        """The port for the stack to connect to."""
        self._server = await asyncio.start_server(self._joined, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for pump in self._pumps:
            pump.cancel()
        for writer in (*self._clients, self._writer):
            writer.close()
        for pump in self._pumps:
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await pump
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(STOP_BUDGET_S):
                await self._writer.wait_closed()

    async def _joined(self, reader: StreamReader, writer: StreamWriter) -> None:
        if self._clients:
            writer.close()  # the stack tries to reconnect: one bind is all that a probe takes
            return
        self._clients.append(writer)
        self._pumps = [
            asyncio.create_task(self._pump_up(reader)),
            asyncio.create_task(self._pump_down(writer)),
        ]

    async def _pump_up(self, reader: StreamReader) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                pdu = await _read_pdu(reader)
                self._show(">", pdu)
                self._writer.write(pdu)
                await self._writer.drain()

    async def _pump_down(self, writer: StreamWriter) -> None:
        try:
            while True:
                pdu = await _read_pdu(self._reader)
                self._show("<", pdu)
                if self._note(pdu):
                    writer.write(pdu)
                    await writer.drain()
        except asyncio.IncompleteReadError as fault:
            cut = " in the middle of a PDU" if fault.partial else ""
            self._end(f"the carrier closed the connection{cut}")
        except ValueError as fault:
            self._end(str(fault))
        except OSError as fault:
            self._end(f"the connection broke: {fault.strerror or fault}")
        finally:
            writer.close()

    def _note(self, pdu: bytes) -> bool:
        """Records a PDU of the carrier; False: it is not for the probe."""
        _, command, status, sequence = HEADER.unpack_from(pdu)
        if command in _DELIVERIES and not self._guard.lets(command, sequence, pdu):
            self._guard.refused += 1
            refusal = header_only(command | RESPONSE, sequence, self._busy_status)
            # message_id is mandatory in the response, and empty (SMPP 3.4 §4.6.2).
            self._writer.write((len(refusal) + 1).to_bytes(4, "big") + refusal[4:] + b"\0")
            return False
        if command == Command.SUBMIT_SM_RESP and status == 0:
            self._guard.submitted(pdu)
        if not self.seen.full():
            self.seen.put_nowait(Seen(time.monotonic(), command, status, sequence, pdu))
        return True

    def _end(self, fault: str) -> None:
        self.fault = self.fault or fault
        self.closed.set()

    def _show(self, direction: str, pdu: bytes) -> None:
        if self._tell_pdu is not None:
            command = HEADER.unpack_from(pdu)[1]
            name = Command(command).name.lower() if command in Command.__members__.values() else f"0x{command:08X}"
            is_bind = name.startswith("bind_") and not name.endswith("_resp")
            shown = pdu[:HEADER_BYTES].hex() + " (system_id, password … not shown)" if is_bind else pdu.hex()
            self._tell_pdu(f"{direction} {name} {shown}")


async def _read_pdu(reader: StreamReader) -> bytes:
    head = await reader.readexactly(4)
    length = int.from_bytes(head, "big")
    if not HEADER_BYTES <= length <= MAX_PDU_BYTES:
        raise ValueError(
            f"the carrier sent {head.hex()}, which is no PDU's length: not SMPP, or the stream is out of step"
        )
    return head + await reader.readexactly(length - 4)
