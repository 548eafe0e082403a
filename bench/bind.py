"""One bind alone, against two others in the same run: ours (smpp.client), smpp34's asyncio client, aiosmpplib's ESME.

    python -m bench.bind [--rounds 3] [--window 64] [--seconds 3] [--json]

Each client runs in a process of its own against a fresh simulator on the other core, one bind, the same window, with receipts
(each read and acknowledged) and without. A round runs all of them one after the other; medians over the rounds are told.
Each submits for `--seconds`; what it had answered, and with receipts acknowledged, by then is what counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
CLIENTS: Final = ("ours", "smpp34", "aiosmpplib")
SMPP: Final = [sys.executable, "-m", "cli"]


class Count:
    """What a client got by the end."""

    def __init__(self, seconds: float) -> None:
        self.answers = 0
        self.receipts = 0
        self.began = time.perf_counter()
        self.ends = self.began + seconds

    def over(self) -> bool:
        return time.perf_counter() >= self.ends

    def result(self) -> dict[str, float]:
        took = time.perf_counter() - self.began
        return {
            "answers": self.answers / took,
            "receipts": self.receipts / took,
            "cpu_us": 1e6 * time.process_time() / max(1, self.answers),
        }


# ---- ours


async def ours(port: int, window: int, seconds: float, receipts: bool) -> dict[str, float]:
    """smpp.client as the dispatcher uses it: bodies encoded, receipts parsed, each acknowledged."""
    from smpp.client import connect
    from smpp.core.esme import BindParams
    from smpp.core.sm import SubmitEncoder
    from smpp.receipt import parse

    encoder = SubmitEncoder("", 1, 1)
    head = encoder.head(5, 0, "Acme")
    over = asyncio.get_running_loop().create_future()
    count, half = Count(seconds), max(1, window // 2)

    def batch(first: int, number: int) -> list[tuple[int, bytes]]:
        return [
            (n, encoder.body(head, b"86138%08d" % n, 0, b"", int(receipts), 0, b"Your code is %06d" % n))
            for n in range(first, first + number)
        ]

    class Driver:
        number = 0

        def made(self, connection: Any) -> None:
            pass

        def lost(self, connection: Any, fault: Any) -> None:
            if not over.done():
                over.set_result(None)

        def received(self, connection: Any, got: Any) -> None:
            count.answers += len(got.answers)
            if got.deliveries:
                for item in got.deliveries:
                    assert parse(item.user_data, dict(item.tlvs)) is not None
                connection.respond([(item.sequence, item.command_id) for item in got.deliveries])
                count.receipts += len(got.deliveries)
            room = window - connection.session.outstanding
            if count.over():
                if not over.done():
                    over.set_result(None)
            elif connection.writable:
                # In two halves, so that the SMSC works on the first while the second is encoded.
                while room > 0:
                    some = min(room, half)
                    connection.submit(batch(self.number, some), time.monotonic())
                    self.number += some
                    room -= some

    params = BindParams("bench", "secret")
    connection = await connect("127.0.0.1", port, params, Driver(), timeout_s=5)
    await over
    result = count.result()
    connection.close("done", "")
    return result


# ---- smpp34


async def smpp34(port: int, window: int, seconds: float, receipts: bool) -> dict[str, float]:
    """As its documentation shows: a task for each place in the window; its core acknowledges receipts itself."""
    import smpp34 as library

    client = library.Client("127.0.0.1", port, "bench", "secret", window_size=window, inbound_capacity=10_000)
    smsc = await client.connect()
    count = Count(seconds)

    async def submit(first: int) -> None:
        number = first
        while not count.over():
            answer = await smsc.submit_sm(
                f"86138{number:08d}", b"Your code is %06d" % number, source_addr="Acme", source_addr_ton=5,
                dest_addr_ton=1, dest_addr_npi=1, registered_delivery=int(receipts),
            )  # fmt: skip
            count.answers += answer.is_success
            number += window

    async def read() -> None:
        while True:
            event = await smsc.next()
            if isinstance(event, library.Disconnected):
                return
            count.receipts += 1

    reader = asyncio.create_task(read())
    await asyncio.gather(*(submit(first) for first in range(window)))
    result = count.result()
    reader.cancel()
    return result


# ---- aiosmpplib


async def aiosmpplib(port: int, window: int, seconds: float, receipts: bool) -> dict[str, float]:
    """Its ESME has no window: as many as `window` are kept between its queue and their answers, told by its hook."""
    import aiosmpplib as library

    room = asyncio.Semaphore(window)
    count = Count(seconds)

    class Hook(library.AbstractHook):  # type: ignore[misc]  # the library has no types
        async def sending(self, smpp_message: Any, pdu: bytes, client_id: str) -> None:
            pass

        async def received(self, smpp_message: Any, pdu: bytes, client_id: str) -> None:
            if isinstance(smpp_message, library.SubmitSmResp):
                count.answers += 1
                room.release()
            elif isinstance(smpp_message, library.DeliverSm):
                count.receipts += 1

        async def send_error(self, smpp_message: Any, error: Exception, client_id: str) -> None:
            room.release()

    client = library.ESME("127.0.0.1", port, "bench", "secret", hook=Hook(), log_level="CRITICAL")
    task = asyncio.create_task(client.start())
    number = 0
    while not count.over():
        try:
            async with asyncio.timeout(2):
                await room.acquire()
        except TimeoutError:
            room.release()  # its correlator lost answers: places in the window that never come back
        number += 1
        await client.broker.enqueue(
            library.SubmitSm(
                short_message=f"Your code is {number:06d}",
                source=library.PhoneNumber("Acme"),
                destination=library.PhoneNumber(f"86138{number:08d}"),
                registered_delivery=int(receipts),
                log_id=str(number),
            )
        )
    result = count.result()
    task.cancel()
    return result


# ---- the run


def run_client(name: str, port: int, args: argparse.Namespace) -> dict[str, float]:
    import uvloop

    client = {"ours": ours, "smpp34": smpp34, "aiosmpplib": aiosmpplib}[name]
    return uvloop.new_event_loop().run_until_complete(client(port, args.window, args.seconds, not args.no_receipts))


def one(name: str, receipts: bool, args: argparse.Namespace) -> dict[str, float]:
    """A client in its own process against a fresh simulator."""
    command = [
        *SMPP,
        "simulator",
        "--port",
        "0",
        "--http-port",
        "0",
        "--scenario",
        "preset:fast",
        "--account",
        "bench:secret",
        "--json-ready",
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as simulator:
        assert simulator.stdout is not None
        try:
            port = json.loads(simulator.stdout.readline())["smpp_port"]
            flags = [] if receipts else ["--no-receipts"]
            own = [
                sys.executable,
                "-m",
                "bench.bind",
                "--client",
                name,
                "--port",
                str(port),
                "--window",
                str(args.window),
                "--seconds",
                str(args.seconds),
                *flags,
            ]
            done = subprocess.run(own, cwd=ROOT, capture_output=True, text=True, timeout=args.seconds + 60, check=False)
            if done.returncode:
                raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
            return dict(json.loads(done.stdout))
        finally:
            simulator.terminate()


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Medians of answers a second, with and without receipts, for each client."""
    runs: dict[tuple[str, bool], list[dict[str, float]]] = {}
    for _ in range(args.rounds):
        for receipts in (True, False):
            for name in CLIENTS:
                runs.setdefault((name, receipts), []).append(one(name, receipts, args))
    table: dict[str, Any] = {}
    for receipts in (True, False):
        row = {}
        for name in CLIENTS:
            # With receipts a message is done when its receipt is: the slower of the two streams is what counts.
            rates = [
                min(run["answers"], run["receipts"]) if receipts else run["answers"] for run in runs[name, receipts]
            ]
            row[f"{name}_per_s"] = round(statistics.median(rates))
        table["receipts" if receipts else "no_receipts"] = row
    table["ours_cpu_us"] = round(statistics.median(run["cpu_us"] for run in runs["ours", True]), 2)
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--window", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--client", choices=CLIENTS, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--no-receipts", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.client:
        print(json.dumps(run_client(args.client, args.port, args)), flush=True)
        os._exit(0)  # not every library lets go of the loop
    table = measure(args)
    if args.json:
        print(json.dumps(table, indent=2))
        return 0
    for kind in ("receipts", "no_receipts"):
        row = table[kind]
        ratio = row["ours_per_s"] / max(1, row["smpp34_per_s"])
        rates = "   ".join(f"{name} {row[f'{name}_per_s']:>8,}/s" for name in CLIENTS)
        print(f"{kind:12} {rates}   ours is {ratio:.1f} x smpp34")
    return 0


if __name__ == "__main__":
    sys.exit(main())
