"""The raw load on a simulator: what it can do, measured by a client that does almost nothing.

    python bench/raw_client.py --port 2775 --count 500000 --window 1000 --binds 2 [--json]

Submits are formatted from a template, each with its own text; answers are counted by their headers; every receipt is
acknowledged at once. It prints submits, receipts and acknowledgements a second over the time until the last receipt.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, cast

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from smpp.core.constants import (
    DELIVER_SM,
    DELIVER_SM_RESP,
    MAX_SEQUENCE,
    SUBMIT_SM,
    SUBMIT_SM_RESP,
    Command,
)
from smpp.core.pdu import HEADER, Pdu, Value, encode, header_only
from smpp.core.sm import Sm, encode_sm

_PACK: Final = HEADER.pack
_UNPACK: Final = HEADER.unpack_from
_NONCE: Final = b"%012d"
QUIET_S: Final = 10.0


@dataclass
class Load:
    """What all binds share. `registered` 0 asks for no receipts."""

    count: int
    window: int
    registered: int
    started: int = 0
    answered: int = 0
    refused: int = 0
    receipts: int = 0
    last: float = 0.0

    def body(self) -> bytes:
        """A pattern for the body of a submit_sm: its text ends with the nonce."""
        text = b"Your code is %012d" % 0
        sm = Sm("", 5, 0, "Bench", 1, 1, "8613800000000", 0, 0, 0, "", "", self.registered, 0, 0, 0, text)
        return encode_sm(sm)[:-12] + _NONCE


class Bind(asyncio.Protocol):
    """One transceiver. Keeps the window full until the load is through."""

    def __init__(self, load: Load, system_id: str, password: str, bound: asyncio.Future[None]) -> None:
        self._load = load
        self._login = system_id, password
        self._bound = bound
        self._body = load.body()
        self._size = 16 + len(self._body % 0)
        self._rest = b""
        self._sequence = 1
        self._outstanding = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        system_id, password = self._login
        fields: dict[str, Value] = {"system_id": system_id, "password": password, "interface_version": 0x34}
        self.transport.write(encode(Pdu(Command.BIND_TRANSCEIVER, 0, 1, fields)))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._bound.done():
            self._bound.set_exception(ConnectionError("the bind was refused"))

    def data_received(self, data: bytes) -> None:
        load = self._load
        buffer = self._rest + data if self._rest else data
        at, size, output, answered = 0, len(buffer), [], 0
        while size - at >= 16:
            length, command, status, sequence = _UNPACK(buffer, at)
            if at + length > size:
                break
            at += length
            if command == SUBMIT_SM_RESP:
                answered += 1
                load.refused += status != 0
            elif command == DELIVER_SM:
                output.append(_PACK(17, DELIVER_SM_RESP, 0, sequence) + b"\0")
            else:
                self._other(command, status, sequence)
        self._rest = buffer[at:]
        load.receipts += len(output)
        load.answered += answered
        load.last = time.perf_counter()
        self._outstanding -= answered
        if output:
            self.transport.write(b"".join(output))
        self.submit()

    def submit(self) -> None:
        """Fills the window."""
        load = self._load
        room = min(load.window - self._outstanding, load.count - load.started)
        if room <= 0:
            return
        size, body, first, nonce = self._size, self._body, self._sequence, load.started
        if first + room >= MAX_SEQUENCE:
            first = 1
        chunks = [_PACK(size, SUBMIT_SM, 0, first + step) + body % (nonce + step) for step in range(1, room + 1)]
        self._sequence = first + room
        self._outstanding += room
        load.started += room
        self.transport.write(b"".join(chunks))

    def _other(self, command: int, status: int, sequence: int) -> None:
        if command == Command.BIND_TRANSCEIVER_RESP and not self._bound.done():
            if status:
                self._bound.set_exception(ConnectionError(f"the bind was refused with 0x{status:x}"))
            else:
                self._bound.set_result(None)
        elif command == Command.ENQUIRE_LINK:
            self.transport.write(header_only(Command.ENQUIRE_LINK_RESP, sequence))


def _same(bind: Bind) -> Bind:
    return bind


async def run(args: argparse.Namespace) -> dict[str, float]:
    """One run over `args.binds` connections."""
    loop = asyncio.get_running_loop()
    load = Load(0, max(1, args.window // args.binds), 0 if args.no_receipts else 1)
    binds = []
    for _ in range(args.binds):
        bound: asyncio.Future[None] = loop.create_future()
        bind = Bind(load, args.system_id, args.password, bound)
        await loop.create_connection(partial(_same, bind), args.host, args.port)
        await asyncio.wait_for(bound, QUIET_S)
        binds.append(bind)
    start, cpu = time.perf_counter(), time.process_time()
    load.count, load.last = args.count, start
    for bind in binds:
        bind.submit()
    wanted = 0 if args.no_receipts else args.count
    while load.answered < args.count or load.receipts < wanted - load.refused:
        await asyncio.sleep(0.01)
        if time.perf_counter() - load.last > QUIET_S:
            break
    for bind in binds:
        bind.transport.close()
    elapsed = load.last - start
    return {
        "submits": load.started,
        "answered": load.answered,
        "refused": load.refused,
        "receipts": load.receipts,
        "seconds": round(elapsed, 3),
        "submits_per_s": round(load.answered / elapsed),
        "receipts_per_s": round(load.receipts / elapsed),
        "acks_per_s": round(load.receipts / elapsed),
        "client_cpu_share": round((time.process_time() - cpu) / elapsed, 2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=2775)
    parser.add_argument("--system-id", default="bench")
    parser.add_argument("--password", default="bench")
    parser.add_argument("--binds", type=int, default=2)
    parser.add_argument("--window", type=int, default=1000, help="outstanding submits over all binds (1000)")
    parser.add_argument("--count", type=int, default=300_000)
    parser.add_argument("--no-receipts", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(run(args))
    if args.json:
        print(json.dumps(result))
    else:
        print("  ".join(f"{key}={value:,}" for key, value in result.items()))
    whole = result["receipts"] if not args.no_receipts else result["answered"]
    return 0 if whole == args.count - result["refused"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
