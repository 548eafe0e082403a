"""The simulator over real sockets: submits, receipts, faults, the control plane, and how the process starts and ends."""

from __future__ import annotations

import asyncio
import datetime
import json
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from smpp.core.constants import Command, CommandStatus
from tests.integration.simulator.process import ROOT, Running, command, esme, messages, simulator


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    accounts = ("--account", "alpha:secret:500tps", "--account", "beta:secret:5tps:1binds", "--account", "free:")
    with simulator(*accounts, "--seed", "7") as started:
        yield started


def journal_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_a_hundred_submits_are_answered_and_their_receipts_acknowledged(running: Running) -> None:
    before = running.stats()["accounts"]["alpha"]["receipts"]["acked"]
    async with esme(running.port) as client:
        client.submit(messages(100))
        await client.until(lambda it: len(it.answers) == 100 and len(it.deliveries) == 100)
        assert {answer.status for answer in client.answers} == {0}
        told = {answer.message_id for answer in client.answers}
        receipted = {given.user_data.split()[0].removeprefix(b"id:").decode() for given in client.deliveries}
        assert told == receipted
        await asyncio.sleep(0.05)
        assert running.stats()["accounts"]["alpha"]["receipts"]["acked"] == before + 100


async def test_the_contract_rate_is_kept(running: Running) -> None:
    async with esme(running.port, "beta") as client:
        client.submit(messages(8, registered=0))
        await client.until(lambda it: len(it.answers) == 8)
        assert [answer.status for answer in client.answers] == [0] * 5 + [CommandStatus.ESME_RTHROTTLED] * 3
        stats = running.stats()
        assert (stats["max_1s"]["beta"], stats["accounts"]["beta"]["throttled"]) == (5, 3)


@pytest.mark.parametrize(
    ("system_id", "password", "status"),
    [("alpha", "wrong", CommandStatus.ESME_RINVPASWD), ("gamma", "secret", CommandStatus.ESME_RINVSYSID)],
)
async def test_strangers_stay_outside(running: Running, system_id: str, password: str, status: int) -> None:
    async with esme(running.port, system_id, password) as client:
        await client.until(lambda it: it.lost)
        assert [note.status for note in client.notes] == [status]


async def test_one_bind_is_the_limit_of_beta(running: Running) -> None:
    async with esme(running.port, "beta"), esme(running.port, "beta") as second:
        assert [note.status for note in second.notes] == [CommandStatus.ESME_RALYBND]


@pytest.mark.parametrize(("mode", "answers"), [("before_response", 0), ("after_response", 1)])
async def test_a_disconnect_at_the_next_submit(running: Running, mode: str, answers: int) -> None:
    running.fault("disconnect", carrier="alpha", mode=mode)
    async with esme(running.port) as client:
        client.submit(messages(1, registered=0))
        await client.until(lambda it: it.lost)
        assert len(client.answers) == answers


async def test_a_frozen_smsc_is_silent_and_thaws(running: Running) -> None:
    async with esme(running.port) as client:
        fault = running.fault("freeze", carrier="alpha")
        client.submit(messages(3))
        client.transport.write(bytes.fromhex("00000010000000150000000000000063"))
        await asyncio.sleep(0.3)
        assert client.answers == []
        running.http.delete(f"/faults/{fault}").raise_for_status()
        await client.until(lambda it: len(it.answers) == 3 and len(it.deliveries) == 3)


async def test_an_outage_refuses_connections_and_ends(running: Running) -> None:
    async with esme(running.port) as client:
        running.fault("outage", for_s=0.5)
        await client.until(lambda it: it.lost)
    with pytest.raises(OSError, match=r"refused|reset|Connect"):
        async with esme(running.port):
            pytest.fail("the port should be shut")
    assert running.http.get("/readyz").status_code == 503
    await asyncio.sleep(0.7)
    async with esme(running.port) as again:
        again.submit(messages(1))
        await again.until(lambda it: len(it.answers) == 1)


async def test_garbage_reaches_the_client(running: Running) -> None:
    async with esme(running.port) as client:
        running.fault("garbage", carrier="alpha", mode="unknown_command")
        await client.until(lambda it: "unknown_command" in [note.kind for note in it.notes])
        assert not client.lost


async def test_an_mo_comes_to_its_account(running: Running) -> None:
    async with esme(running.port, bind_command=Command.BIND_RECEIVER) as client:
        answer = running.http.post(
            "/mo", json={"from": "8613900000000", "to": "10690000", "text": "TD", "carrier": "alpha"}
        )
        assert answer.json() == {"parts": 1}
        await client.until(lambda it: len(it.deliveries) == 1)
        assert client.deliveries[0].user_data == b"TD"


def test_the_control_plane_refuses_in_one_sentence(running: Running) -> None:
    http = running.http
    for answer, status, said in (
        (http.post("/faults/freez", json={}), 404, "did you mean freeze?"),
        (http.post("/faults/error", json={"status": "x"}), 422, "status: 'x' is no command_status"),
        (http.put("/scenario", json={"latency": -1}), 422, "latency"),
        (http.put("/scenario", json=[]), 422, "valid dictionary"),
        (http.post("/mo", json={"from": "1", "to": "2", "text": "x"}), 422, "carrier: say which account"),
        (http.post("/mo", json={"from": "1"}), 422, "to: Field required"),
        (http.get("/submits"), 409, "keep_submits"),
        (http.delete("/faults/none-1"), 404, "no active fault"),
        (http.get("/nothing"), 404, "Not Found"),
    ):
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
        assert said in answer.json()["detail"]


def test_the_control_plane_tells_what_there_is(running: Running) -> None:
    faults = running.http.get("/faults").json()
    assert {"freeze", "disconnect", "receipt_flood"} <= faults["known"].keys()
    assert "secret" not in running.http.get("/scenario").text
    assert running.http.get("/livez").text == "alive\n"
    assert "/faults/{name}" in running.http.get("/openapi.json").json()["paths"]


async def test_a_new_scenario_holds_at_once() -> None:
    with simulator("--scenario", "preset:fast") as started:
        async with esme(started.port) as client:
            scenario = {"keep_submits": True, "latency": 0.2, "message_id_form": "hex-dec"}
            started.http.put("/scenario", json=scenario).raise_for_status()
            begun = time.monotonic()
            client.submit(messages(2))
            await client.until(lambda it: len(it.answers) == 2)
            assert time.monotonic() - begun >= 0.2
            kept = started.http.get("/submits", params={"limit": 1}).json()
            assert (kept["submits"][0]["destination"], kept["next"]) == ("8613800000000", 1)
            assert kept["submits"][0]["id"] == client.answers[0].message_id


async def test_the_journal_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with simulator("--journal", str(path)) as started:
        async with esme(started.port) as client:
            client.submit(messages(50))
            await client.until(lambda it: len(it.deliveries) == 50)
            await asyncio.sleep(0.1)
            assert started.end(signal.SIGKILL) == -signal.SIGKILL
    lines = journal_lines(path)
    submits = [line for line in lines if line["type"] == "submit"]
    acked = {line["id"] for line in lines if line["type"] == "receipt" and line["event"] == "acked"}
    assert len(submits) == 50
    assert {line["id"] for line in submits} == acked == {answer.message_id for answer in client.answers}
    assert bytes.fromhex(submits[7]["short_message"]) == b"text 7"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_stops_in_order_with_its_journal_whole(tmp_path: Path, number: int) -> None:
    path = tmp_path / "journal"
    with simulator("--journal", str(path)) as started:
        async with esme(started.port) as client:
            client.submit(messages(10, registered=0))
            await client.until(lambda it: len(it.answers) == 10)
            assert started.end(number) == 0
            await client.until(lambda it: it.lost)
    kinds = [line["type"] for line in journal_lines(path)]
    assert kinds.count("submit") == 10
    assert kinds[-1] == "disconnect"


def run_briefly(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), capture_output=True, text=True, cwd=ROOT, timeout=30, check=False)


@pytest.mark.parametrize("option", ["--port", "--http-port"])
def test_a_taken_port_is_told_in_one_line(option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        other = "--http-port" if option == "--port" else "--port"
        ended = run_briefly(option, port, other, "0")
    assert ended.returncode == 1
    assert f"can't listen on 127.0.0.1:{port}" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--scenario", "preset:typicall"), "did you mean typical?"),
        (("--scenario", "/no/such.toml"), "can't read the scenario"),
        (("--account", "alpha"), "write system_id:password"),
        (("--port", "70000"), "--port 70000 is no port"),
        (("--tls-cert", "/no/such.pem"), "can't use the certificate"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(words: tuple[str, ...], said: str) -> None:
    ended = run_briefly(*words)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_journal_that_cannot_be_opened_is_told() -> None:
    ended = run_briefly("--port", "0", "--http-port", "0", "--journal", "/no/such/folder/journal")
    assert (ended.returncode, "can't write the journal" in ended.stderr) == (1, True)


def certificate(folder: Path) -> tuple[str, str]:
    """A self-signed certificate and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    day = datetime.timedelta(days=1)
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - day, now + day).sign(key, hashes.SHA256())
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(made.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(cert_file), str(key_file)


async def test_tls(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    context = ssl.create_default_context(cafile=cert)
    context.check_hostname = False
    with simulator("--tls-cert", cert, "--tls-key", key) as started:
        async with esme(started.port, tls=context) as client:
            client.submit(messages(1))
            await client.until(lambda it: len(it.answers) == 1 and len(it.deliveries) == 1)
