"""From a carrier's name to a connection: resolve, connect, TLS; each a step that says what went wrong and whose move it is."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

from cli.probe_report import StepFailed
from cli.probe_verdict import Verdict
from schemas.carriers import Carrier

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def resolve(carrier: Carrier, timeout_s: float) -> tuple[Any, str]:
    """The first address, as getaddrinfo has it; the detail names all. Raises StepFailed."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            found = await loop.getaddrinfo(carrier.host, carrier.port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError) as fault:
        told = getattr(fault, "strerror", None) or f"no answer in {timeout_s:g} s"
        what = f"{carrier.host} can't be resolved ({told}): check host in carriers.toml, and the machine's DNS"
        raise StepFailed(str(told), Verdict("network", what)) from None
    return found[0], ", ".join(dict.fromkeys(str(entry[4][0]) for entry in found))


async def reach(address: Any, timeout_s: float) -> tuple[socket.socket, str]:
    """A connected socket. Raises StepFailed."""
    family, _, _, _, place = address
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.get_running_loop().sock_connect(sock, place)
    except ConnectionRefusedError:
        sock.close()
        what = f"nobody listens on {place[0]}:{place[1]}: the SMSC is down, or host or port is wrong"
        raise StepFailed("connection refused", Verdict("carrier", what)) from None
    except (OSError, TimeoutError) as fault:
        sock.close()
        told = getattr(fault, "strerror", None) or f"no answer in {timeout_s:g} s"
        what = f"{place[0]}:{place[1]} can't be reached ({told}): firewall, VPN, or an IP address that is not allowed there"
        raise StepFailed(str(told), Verdict("network", what)) from None
    return sock, f"{place[0]}:{place[1]}"


async def secure(carrier: Carrier, sock: socket.socket, timeout_s: float) -> tuple[Streams, str]:
    """TLS on the socket, as carriers.toml wants it. Raises StepFailed."""
    tls = carrier.tls
    try:
        context = ssl.create_default_context(cafile=tls.ca_file or None)
        if tls.cert_file:
            context.load_cert_chain(tls.cert_file, tls.key_file or None)
        async with asyncio.timeout(timeout_s):
            streams = await asyncio.open_connection(
                sock=sock, ssl=context, server_hostname=tls.server_name or carrier.host
            )
    except (OSError, TimeoutError) as fault:  # ssl.SSLError is an OSError
        sock.close()
        told = getattr(fault, "reason", None) or getattr(fault, "strerror", None) or str(fault) or "no answer in time"
        what = f"no TLS with {carrier.host}: {told}; check tls.* in carriers.toml, or whether the port speaks TLS"
        raise StepFailed(str(told), Verdict("configuration", what)) from None
    return streams, str(streams[1].get_extra_info("ssl_object").version())
