"""/livez, /readyz and /metrics, and the port that they are served on."""

from __future__ import annotations

import asyncio
import socket

import pytest

from runtime.errors import UnavailableError
from runtime.health import Health, HealthServer


def test_alive_is_whoever_answers() -> None:
    health = Health()
    health.add("kafka", lambda: "away")
    assert health.answer("/livez") == (200, "text/plain", b"alive\n")


def test_ready_means_no_check_has_a_fault() -> None:
    health, fault = Health(), None
    health.add("kafka", lambda: None)
    health.add("lanes", lambda: fault)
    assert health.answer("/readyz") == (200, "text/plain", b"ready\n")
    fault = "alpha/0: no ledger"
    assert health.answer("/readyz") == (503, "text/plain", b"lanes: alpha/0: no ledger\n")
    assert health.faults() == {"lanes": "alpha/0: no ledger"}


def test_a_note_is_told_and_leaves_the_process_ready() -> None:
    health = Health()
    health.note("postgres", lambda: "away for 3 s")
    assert health.answer("/readyz") == (200, "text/plain", b"ready\npostgres: away for 3 s\n")
    assert health.faults() == {}
    health.add("kafka", lambda: "away")
    assert health.answer("/readyz") == (503, "text/plain", b"kafka: away\npostgres: away for 3 s\n")


def test_a_check_that_fails_is_a_fault_and_not_a_crash() -> None:
    health = Health()

    def broken() -> str | None:
        raise KeyError("x")

    health.add("lanes", broken)
    assert health.answer("/readyz") == (503, "text/plain", b"lanes: the check itself failed: KeyError('x')\n")


def test_metrics_are_those_of_prometheus_and_other_paths_are_not_ours() -> None:
    answer = Health().answer("/metrics")
    assert answer is not None
    status, kind, body = answer
    assert (status, kind.split(";")[0]) == (200, "text/plain")
    assert b"# TYPE smppd_bind_up gauge" in body
    assert Health().answer("/") is None
    assert Health().answer("/readyz/") is None


async def get(port: int, path: str) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), body


async def test_the_server_answers_on_a_port_of_its_own() -> None:
    health = Health()
    server = HealthServer(health, "127.0.0.1", 0)
    await server.start()
    try:
        assert server.port > 0
        assert await get(server.port, "/livez") == (200, b"alive\n")
        assert await get(server.port, "/readyz") == (200, b"ready\n")
        assert (await get(server.port, "/metrics"))[0] == 200
        assert await get(server.port, "/else") == (404, b"/livez /readyz /metrics\n")
    finally:
        await server.stop()
    with pytest.raises(OSError):
        await get(server.port, "/livez")


async def test_a_port_that_is_taken_is_told_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"can't listen on 127.0.0.1:{port} .*set SMPPD_METRICS_PORT"):
            await HealthServer(Health(), "127.0.0.1", port).start()


async def test_a_server_that_never_started_can_be_stopped() -> None:
    server = HealthServer(Health(), "127.0.0.1", 0)
    await server.stop()
    assert server.port == 0
