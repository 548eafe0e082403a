"""Free TCP ports on 127.0.0.1 that stay free until their server listens, and over its restarts."""

from __future__ import annotations

import random
import socket
from pathlib import Path

from runtime.errors import UnavailableError

HOST = "127.0.0.1"
LOWEST = 15_000
TRIES = 500
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_given: set[int] = set()


def free_ports(count: int) -> list[int]:
    """`count` different ports, none of which this process was given before. Raises UnavailableError when there are none.

    They lie below the kernel's range for outgoing connections. Port 0 would pick from inside it, and there a client that
    reconnects to a server that is down can be given that very port as its own, connect to itself, and keep the
    server from coming back.
    """
    below = _first_ephemeral_port()
    held: list[socket.socket] = []
    try:
        for _ in range(TRIES * count):
            if len(held) == count:
                break
            sock = _bound(random.randrange(LOWEST, below) if below > LOWEST + 1000 else 0)
            if sock is not None:
                held.append(sock)
        if len(held) < count:
            raise UnavailableError(f"no {count} free ports on {HOST}", "end what listens on so many of them")
        ports = [int(sock.getsockname()[1]) for sock in held]
    finally:
        for sock in held:
            sock.close()
    _given.update(ports)
    return ports


def free_port() -> int:
    """One port, as `free_ports`."""
    return free_ports(1)[0]


def _bound(port: int) -> socket.socket | None:
    if port in _given:
        return None
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.bind((HOST, port))
    except OSError:
        sock.close()
        return None
    return sock


def _first_ephemeral_port() -> int:
    try:
        return int(_EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0
