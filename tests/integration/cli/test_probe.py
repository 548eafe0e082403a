"""`carriers probe` against a real SMSC process: each way in which it may end, and that it takes nobody else's receipts."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from cli.main import main
from cli.probe import Probe, Report, message_of
from schemas.carriers import Carrier
from tests.integration.simulator.process import Running, esme, messages, simulator

TO = "+8613800000000"
SCENARIO = {
    "accounts": {
        "slow": {"receipts": {"delay": 0.4}},
        "hex": {"message_id_form": "hex-dec", "receipts": {"delay": 0.1}},
    }
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    scenario = tmp_path_factory.mktemp("probe") / "scenario.json"
    scenario.write_text(json.dumps(SCENARIO))
    accounts = [word for name in ("alpha", "slow", "hex") for word in ("--account", f"{name}:secret:100tps:2binds")]
    with simulator("--scenario", str(scenario), *accounts) as started:
        yield started


async def probe(running: Running, *, to: str = "", bind: str = "transceiver", **given: Any) -> Report:
    receipt_s = given.pop("receipt_s", 0.0)
    values = {
        "name": "alpha",
        "host": "127.0.0.1",
        "port": running.port,
        "system_id": "alpha",
        "password": "secret",
        "tps": 100,
    }
    carrier = Carrier.model_validate({**values, **given})
    message = message_of(carrier, to, "Acme", "a probe") if to else None
    return await Probe(
        carrier, bind, message, timeout_s=2.0, receipt_s=receipt_s, secret="${ALPHA_PASSWORD}", tell=None, tell_pdu=None
    ).run()


def steps(report: Report) -> list[str]:
    return [step.name for step in report.steps]


@pytest.mark.parametrize("bind", ["transceiver", "transmitter", "receiver"])
async def test_a_carrier_that_is_well_is_said_to_be_well(running: Running, bind: str) -> None:
    report = await probe(running, bind=bind)
    assert report.well, report.verdict
    assert steps(report) == ["resolve", "connect", "bind", "enquire_link", "unbind"]
    assert all(step.ok for step in report.steps)


@pytest.mark.parametrize("system_id", ["slow", "hex"])
async def test_a_message_is_submitted_and_its_receipt_comes(running: Running, system_id: str) -> None:
    report = await probe(running, to=TO, receipt_s=10, system_id=system_id)
    assert report.well, report.verdict
    assert steps(report)[4:] == ["submit_sm", "receipt", "unbind"]
    assert report.steps[5].detail == "stat DELIVRD, err 0"


async def test_a_wrong_password_names_the_place_of_the_password(running: Running) -> None:
    report = await probe(running, password="wrong")
    assert (report.verdict.fault, steps(report)[-1]) == ("configuration", "bind")
    assert "check ${ALPHA_PASSWORD}" in report.verdict.what


async def test_binds_that_are_used_up_are_told(running: Running) -> None:
    async with esme(running.port), esme(running.port):
        report = await probe(running)
    # The stack itself takes ESME_RALYBND for a bind.
    assert "ESME_RALYBND" in report.verdict.what
    assert not report.well


async def test_a_vendor_s_status_is_read_although_the_stack_can_t(running: Running) -> None:
    running.fault("error", carrier="alpha", status=0x4A0, for_s=5, times=1)
    report = await probe(running, to=TO)
    assert report.steps[4].detail == "0x000004A0"
    assert "carrier_refused" in report.verdict.what


@pytest.mark.parametrize(
    ("fault", "options", "says"),
    [
        ("silence", {}, "no answer to submit_sm within 2 s"),
        ("throttle", {}, "ESME_RTHROTTLED: the carrier throttles"),
        ("disconnect", {"mode": "before_response"}, "the carrier closed the connection during submit_sm"),
    ],
)
async def test_a_fault_of_the_carrier_is_named(
    running: Running, fault: str, options: dict[str, Any], says: str
) -> None:
    number = running.fault(fault, carrier="alpha", for_s=10, **options)
    try:
        report = await probe(running, to=TO)
    finally:
        running.http.delete(f"/faults/{number}")
    assert report.verdict.fault == "carrier"
    assert says in report.verdict.what


async def test_a_carrier_that_refuses_binds_is_named(running: Running) -> None:
    number = running.fault("refuse_binds", carrier="alpha", status=13, for_s=10)
    report = await probe(running)
    running.http.delete(f"/faults/{number}")
    assert (report.verdict.fault, "ESME_RBINDFAIL" in report.verdict.what) == ("carrier", True)


async def test_nobody_who_listens_and_nobody_who_answers_are_told_apart(running: Running) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        silent = await probe(running, port=port)
    assert "no answer to bind_transceiver within 2 s" in silent.verdict.what
    refused = await probe(running, port=port)
    assert (steps(refused)[-1], "nobody listens" in refused.verdict.what) == ("connect", True)
    unknown = await probe(running, host="no-such-host.invalid")
    assert (steps(unknown), unknown.verdict.fault) == (["resolve"], "network")


@pytest.mark.parametrize(("greeting", "says"), [(b"HTTP/1.1 400 Bad\r\n", "no PDU's length"), (b"", "IP address")])
async def test_something_that_is_no_smsc_is_told(running: Running, greeting: bytes, says: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(greeting)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        report = await probe(running, port=server.sockets[0].getsockname()[1])
    assert says in report.verdict.what


async def test_receipts_of_other_messages_are_sent_back_and_come_to_their_lane(running: Running) -> None:
    async with esme(running.port, "slow") as lane:
        lane.submit(messages(5))
        await lane.until(lambda it: len(it.answers) == 5)
    # The lane's bind is gone: the SMSC offers its receipts to whoever binds next, and that is the probe.
    report = await probe(running, system_id="slow", to=TO, receipt_s=10)
    assert report.well, report.verdict
    assert report.refused_deliveries >= 5
    async with esme(running.port, "slow") as lane:
        await lane.until(lambda it: len(it.deliveries) >= 5)
        told = {delivery.user_data.split()[0] for delivery in lane.deliveries}
    assert len(told) == 5


def certificate(folder: Path) -> tuple[str, str]:
    """A self-signed certificate for localhost, and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now, day = datetime.now(UTC), timedelta(days=1)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(made.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(cert_file), str(key_file)


async def test_tls_is_spoken_for_the_stack_that_can_t(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    tls = {"enabled": True, "ca_file": cert, "server_name": "localhost"}
    with simulator("--tls-cert", cert, "--tls-key", key, "--account", "alpha:secret") as started:
        report = await probe(started, tls=tls)
        assert report.well, report.verdict
        assert steps(report)[:4] == ["resolve", "connect", "tls", "bind"]
        strange = await probe(started, tls={**tls, "ca_file": ""})
        plain = await probe(started)
    assert (strange.verdict.fault, steps(strange)[-1]) == ("configuration", "tls")
    assert not plain.well


def test_the_command_tells_steps_and_verdict_and_never_the_password(
    running: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "carriers.toml"
    file.write_text(
        f'[carriers.alpha]\nhost = "127.0.0.1"\nport = {running.port}\nsystem_id = "alpha"\npassword = "${{PW}}"\ntps = 1\n'
    )
    environ = {"SMPPD_CARRIERS_FILE": str(file), "PW": "secret"}
    assert main(["carriers", "probe", "alpha", "--pdus"], environ) == 0
    told = capsys.readouterr()
    assert "verdict: the carrier answers as it should" in told.out
    assert "> bind_transceiver" in told.err
    assert "secret" not in told.out + told.err
    assert b"secret".hex() not in told.err
    assert main(["carriers", "probe", "alpha", "--json"], {**environ, "PW": "wrong"}) == 1
    assert json.loads(capsys.readouterr().out)["fault"] == "configuration"
    assert main(["carriers", "probe", "beta"], environ) == 2
    assert main(["carriers", "probe", "alpha", "--to", TO], environ) == 2
