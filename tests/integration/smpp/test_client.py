"""The client's connection over real sockets: peers that freeze, lie, vanish or never answer."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from smpp import client as client_module
from smpp.client import EsmeConnection, connect
from smpp.core.constants import Command
from smpp.core.errors import ConnectionFault
from smpp.core.esme import BindParams
from smpp.core.session import State
from tests.integration.smpp.peer import BOUND, Heard, Peer, smsc
from tests.unit.smpp.core.frames import deliver, frame

QUIET = BindParams("alpha", "secret", enquire_link_s=30, bind_timeout_s=10, submit_timeout_s=60)
HOST = "127.0.0.1"


async def never(peer: Peer) -> None:
    """Binds, then reads nothing and says nothing."""
    await peer.bind()
    await asyncio.Event().wait()


async def bound(port: int, heard: Heard, params: BindParams = QUIET) -> EsmeConnection[str]:
    connection = await connect(HOST, port, params, heard, timeout_s=5)
    await heard.until(lambda told: "bound" in told.notes)
    assert connection is heard.connection
    return connection


# ---- the good case, and its end


async def test_a_session_from_bind_to_unbind() -> None:
    async def script(peer: Peer) -> None:
        await peer.bind(BOUND + deliver(9))
        command, _, sequence, _ = await peer.pdu()
        assert command == 0x80000005
        assert sequence == 9
        for number in range(3):
            command, _, sequence, body = await peer.pdu()
            assert (command, body) == (4, b"body %d" % number)
            peer.send(frame(0x80000004, sequence, b"id%d\0" % number))
        command, _, sequence, _ = await peer.pdu()
        assert command == Command.UNBIND
        peer.send(frame(0x80000006, sequence))
        await peer.gone()

    async with smsc(script) as port:
        heard = Heard()
        connection = await bound(port, heard)
        await heard.until(lambda told: told.deliveries)
        connection.respond([(9, 5)])
        assert connection.writable
        connection.submit([(f"t{number}", b"body %d" % number) for number in range(3)], time.monotonic())
        await heard.until(lambda told: len(told.answers) == 3)
        assert [(answer.token, answer.message_id) for answer in heard.answers] == [
            ("t0", "id0"),
            ("t1", "id1"),
            ("t2", "id2"),
        ]
        connection.unbind()
        await heard.until(lambda told: told.fault)
        assert heard.fault is not None
        assert heard.fault.kind == "unbound"
        assert not connection.writable
        connection.respond([(9, 5)])  # nothing happens to what is gone


async def test_a_peer_that_dribbles_byte_by_byte() -> None:
    async def script(peer: Peer) -> None:
        await peer.pdu()
        for byte in BOUND + deliver(9) + frame(Command.ENQUIRE_LINK, 5):
            peer.send(bytes((byte,)))
            await asyncio.sleep(0)
        assert (await peer.pdu())[:3] == (0x80000015, 0, 5)
        await peer.gone()

    async with smsc(script) as port:
        heard = Heard()
        connection = await bound(port, heard)
        await heard.until(lambda told: told.deliveries)
        connection.close("done", "")
        await heard.until(lambda told: told.fault)


async def test_the_end_is_told_once_with_the_first_reason() -> None:
    async with smsc(never) as port:
        heard = Heard()
        connection = await bound(port, heard)
        connection.close("first", "one")
        connection.close("second", "two")
        await heard.until(lambda told: told.fault)
        await asyncio.sleep(0)
        assert str(heard.fault) == "first: one"


# ---- connecting


async def test_a_port_where_nobody_listens() -> None:
    async with smsc(never) as port:
        pass
    with pytest.raises(ConnectionFault, match=rf"connect: {HOST}:{port}: Connect") as told:
        await connect(HOST, port, QUIET, Heard(), timeout_s=5)
    assert told.value.kind == "connect"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 70, "", "\udcff", "1.2.3.4.5.6 "])
async def test_a_name_that_leads_nowhere(host: str) -> None:
    """Whatever stands in carriers.toml: a fault that the binder knows, not an exception that ends its task."""
    with pytest.raises(ConnectionFault) as told:
        await connect(host, 1, QUIET, Heard(), timeout_s=5)
    assert told.value.kind in ("connect", "connect_timeout")


async def test_a_host_that_does_not_answer_in_time() -> None:
    # A listener whose queue is full drops what comes then: no refusal, no answer.
    import socket

    with socket.socket() as silent:
        silent.bind((HOST, 0))
        silent.listen(0)
        port = silent.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex((HOST, port))
        try:
            with pytest.raises(ConnectionFault, match=f"{HOST}:{port} did not answer in"):
                await connect(HOST, port, QUIET, Heard(), timeout_s=0.2)
        finally:
            for filler in fillers:
                filler.close()


# ---- binding


async def test_a_bind_that_is_refused() -> None:
    async def script(peer: Peer) -> None:
        await peer.bind(frame(0x80000009, 1, b"", 0xE))
        await peer.gone()

    async with smsc(script) as port:
        heard = Heard()
        await connect(HOST, port, QUIET, heard, timeout_s=5)
        await heard.until(lambda told: told.fault)
        assert heard.notes == ["bind_refused"]
        assert str(heard.fault) == "bind_refused: ESME_RINVPASWD"


async def test_a_bind_that_is_never_answered() -> None:
    async def script(peer: Peer) -> None:
        await peer.gone()

    async with smsc(script) as port:
        heard = Heard()
        connection = await connect(HOST, port, replace(QUIET, bind_timeout_s=0.2), heard, timeout_s=5)
        await heard.until(lambda told: told.fault)
        assert heard.fault is not None
        assert (heard.fault.kind, connection.session.state) == ("bind_timeout", State.CLOSED)


async def test_a_peer_that_closes_instead_of_answering_the_bind() -> None:
    async def script(peer: Peer) -> None:
        await peer.pdu()

    async with smsc(script) as port:
        heard = Heard()
        await connect(HOST, port, QUIET, heard, timeout_s=5)
        await heard.until(lambda told: told.fault)
        assert str(heard.fault) == "closed: the peer closed the connection"


async def test_a_peer_that_does_not_speak_smpp() -> None:
    async def script(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await peer.gone()

    async with smsc(script) as port:
        heard = Heard()
        await connect(HOST, port, QUIET, heard, timeout_s=5)
        await heard.until(lambda told: told.fault)
        assert heard.fault is not None
        assert heard.fault.kind == "bad_length"


# ---- timers


async def test_a_half_open_link_is_noticed() -> None:
    """The bind timeout, by which the first timer was set, must not delay the first enquire_link."""
    async with smsc(never) as port:
        heard = Heard()
        began = time.monotonic()
        await bound(port, heard, replace(QUIET, enquire_link_s=0.2, bind_timeout_s=5))
        await heard.until(lambda told: told.fault)
        assert heard.fault is not None
        assert heard.fault.kind == "enquire_link_timeout"
        assert 0.4 <= time.monotonic() - began < 2


async def test_a_link_that_answers_stays() -> None:
    async def script(peer: Peer) -> None:
        await peer.bind()
        for _ in range(4):
            command, _, sequence, _ = await peer.pdu()
            assert command == Command.ENQUIRE_LINK
            peer.send(frame(0x80000015, sequence))
        peer.send(deliver(1))
        await peer.gone()

    async with smsc(script) as port:
        heard = Heard()
        connection = await bound(port, heard, replace(QUIET, enquire_link_s=0.1, bind_timeout_s=1))
        await heard.until(lambda told: told.deliveries)
        assert heard.fault is None
        connection.close("done", "")


async def test_a_submit_without_an_answer_is_told_in_time() -> None:
    """The timer was set for the link, which is later."""
    async with smsc(never) as port:
        heard = Heard()
        connection = await bound(port, heard, replace(QUIET, enquire_link_s=5, submit_timeout_s=0.2))
        await asyncio.sleep(0.05)
        began = time.monotonic()
        connection.submit([("a", b"body")], began)
        await heard.until(lambda told: told.unanswered)
        assert 0.2 <= time.monotonic() - began < 1
        assert (heard.unanswered, heard.fault, connection.session.outstanding) == (["a"], None, 0)
        connection.close("done", "")


async def test_a_late_answer_is_told_as_one() -> None:
    async def script(peer: Peer) -> None:
        await peer.bind()
        _, _, sequence, _ = await peer.pdu()
        await asyncio.sleep(0.4)
        peer.send(frame(0x80000004, sequence, b"late\0"))
        await peer.gone()

    async with smsc(script) as port:
        heard = Heard()
        connection = await bound(port, heard, replace(QUIET, submit_timeout_s=0.1))
        connection.submit([("a", b"body")], time.monotonic())
        await heard.until(lambda told: told.late)
        assert heard.unanswered == ["a"]
        assert [(answer.token, answer.message_id) for answer in heard.late] == [("a", "late")]
        connection.close("done", "")


# ---- peers that do not read


async def test_a_frozen_peer_ends_in_a_write_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "WRITE_TIMEOUT_S", 0.3)

    async def script(peer: Peer) -> None:
        await peer.bind()
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket transport
        await asyncio.Event().wait()

    async with smsc(script) as port:
        heard = Heard()
        connection = await bound(port, heard)
        body, number = b"x" * 60_000, 0
        while connection.writable and number < 1000:
            connection.submit([(str(number), body)], time.monotonic())
            number += 1
            await asyncio.sleep(0)
        assert not connection.writable
        began = time.monotonic()
        await heard.until(lambda told: told.fault)
        assert heard.fault is not None
        assert heard.fault.kind == "write_timeout"
        assert 0.2 <= time.monotonic() - began < 2
        assert len(connection.session.abandon()) == number


async def test_a_peer_that_reads_again_in_time_is_written_to_again() -> None:
    async def script(peer: Peer) -> None:
        await peer.bind()
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket transport
        await asyncio.sleep(0.3)
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
        await peer.gone()

    async with smsc(script) as port:
        heard = Heard()
        connection = await bound(port, heard)
        body, number = b"x" * 60_000, 0
        while connection.writable and number < 1000:
            connection.submit([(str(number), body)], time.monotonic())
            number += 1
            await asyncio.sleep(0)
        turns = heard.turns
        await heard.until(lambda told: told.turns > turns)  # it is told, for it may have more to write
        assert connection.writable
        connection.close("done", "")


# ---- unbinding


async def test_an_unbind_that_is_never_answered() -> None:
    async with smsc(never) as port:
        heard = Heard()
        connection = await bound(port, heard, replace(QUIET, bind_timeout_s=0.2))
        connection.unbind()
        await heard.until(lambda told: told.fault)
        assert heard.fault is not None
        assert heard.fault.kind == "bind_timeout"


async def test_an_unbind_before_the_bind_is_answered_closes() -> None:
    async def script(peer: Peer) -> None:
        await peer.gone()

    async with smsc(script) as port:
        heard = Heard()
        connection = await connect(HOST, port, QUIET, heard, timeout_s=5)
        connection.unbind()
        await heard.until(lambda told: told.fault)
        assert str(heard.fault) == "unbound: closed without a bind"


async def test_the_peer_s_unbind_is_answered_and_what_is_out_settles_before_the_end() -> None:
    """The peer does not close, and goes on answering links: the client must not wait for it for ever."""
    settled = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.bind()
        sequences = [(await peer.pdu())[2] for _ in range(2)]
        peer.send(frame(Command.UNBIND, 9))
        assert (await peer.pdu())[:3] == (0x80000006, 0, 9)
        for sequence in sequences:
            await asyncio.sleep(0.05)
            peer.send(frame(0x80000004, sequence, b"id\0"))
        await peer.gone()
        settled.set()

    async with smsc(script) as port:
        heard = Heard()
        connection = await bound(port, heard)
        connection.submit([("a", b"x"), ("b", b"y")], time.monotonic())
        await heard.until(lambda told: told.fault)
        assert [answer.token for answer in heard.answers] == ["a", "b"]
        assert heard.fault is not None
        assert heard.fault.kind == "peer_unbind"
        assert not connection.writable
        await asyncio.wait_for(settled.wait(), 5)


async def test_the_peer_s_unbind_ends_too_when_what_is_out_is_never_answered() -> None:
    async def script(peer: Peer) -> None:
        await peer.bind()
        await peer.pdu()
        peer.send(frame(Command.UNBIND, 9))
        await peer.gone()

    async with smsc(script) as port:
        heard = Heard()
        connection = await bound(port, heard, replace(QUIET, submit_timeout_s=0.2))
        connection.submit([("a", b"x")], time.monotonic())
        await heard.until(lambda told: told.fault)
        assert heard.unanswered == ["a"]
        assert heard.fault is not None
        assert heard.fault.kind == "peer_unbind"


# ---- TLS


class Certificate:
    """A self-signed certificate for 127.0.0.1 and smsc.test, in files."""

    def __init__(self, folder: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "smsc.test")])
        now = datetime.datetime.now(datetime.UTC)
        names = x509.SubjectAlternativeName([x509.DNSName("smsc.test"), x509.IPAddress(ip_address(HOST))])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(names, critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"
        self.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )

    @property
    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        return context

    @property
    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.cert))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def tls_smsc(certificate: Certificate) -> AsyncIterator[int]:
    async with smsc(_binds, tls=certificate.server) as port:
        yield port


async def _binds(peer: Peer) -> None:
    await peer.bind()
    await peer.gone()


@pytest.mark.parametrize("server_name", ["", "smsc.test"])
async def test_tls_with_a_certificate_that_we_trust(certificate: Certificate, tls_smsc: int, server_name: str) -> None:
    heard = Heard()
    connection = await connect(
        HOST, tls_smsc, QUIET, heard, timeout_s=5, tls=certificate.trusting, server_name=server_name
    )
    await heard.until(lambda told: "bound" in told.notes)
    assert connection.writable
    connection.close("done", "")
    await heard.until(lambda told: told.fault)


async def test_tls_with_a_certificate_that_we_don_t_trust(tls_smsc: int) -> None:
    with pytest.raises(ConnectionFault, match=r"CERTIFICATE_VERIFY_FAILED|certificate verify failed") as told:
        await connect(HOST, tls_smsc, QUIET, Heard(), timeout_s=5, tls=ssl.create_default_context())
    assert told.value.kind == "tls"


async def test_tls_with_a_certificate_of_another_name(certificate: Certificate, tls_smsc: int) -> None:
    with pytest.raises(ConnectionFault, match=r"CERTIFICATE_VERIFY_FAILED|certificate verify failed"):
        await connect(HOST, tls_smsc, QUIET, Heard(), timeout_s=5, tls=certificate.trusting, server_name="other.test")


@pytest.mark.parametrize("server_name", [".smsc.test", "a..b", "x" * 70])
async def test_tls_with_a_name_that_is_none(certificate: Certificate, tls_smsc: int, server_name: str) -> None:
    with pytest.raises(ConnectionFault) as told:
        await connect(HOST, tls_smsc, QUIET, Heard(), timeout_s=1, tls=certificate.trusting, server_name=server_name)
    assert told.value.kind in ("tls", "connect")


async def test_tls_to_a_peer_that_does_not_speak_it(certificate: Certificate) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.read(1)
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with smsc(script) as port:
        with pytest.raises(ConnectionFault) as told:
            await connect(HOST, port, QUIET, Heard(), timeout_s=5, tls=certificate.trusting)
        assert told.value.kind in ("tls", "connect")


async def test_tls_to_a_peer_that_never_shakes_hands(certificate: Certificate) -> None:
    async def script(peer: Peer) -> None:
        await peer.gone()

    async with smsc(script) as port:
        with pytest.raises(ConnectionFault, match="did not answer in"):
            await connect(HOST, port, QUIET, Heard(), timeout_s=0.3, tls=certificate.trusting)
