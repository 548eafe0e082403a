"""/livez, /readyz and /metrics of a role, as a tiny ASGI app of its own port (the api mounts the same answers)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from runtime.errors import UnavailableError
from runtime.metrics import REGISTRY

Check = Callable[[], str | None]
KEEP_ALIVE_S = 75
"""Longer than clients keep an idle connection: else they send on one that is just being closed (httpx and uvicorn: 5 s)."""


class Health:
    """What makes this process ready. A check returns None when well, else a sentence."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}
        self._notes: dict[str, Check] = {}

    def add(self, name: str, check: Check) -> None:
        self._checks[name] = check

    def note(self, name: str, check: Check) -> None:
        """Something that /readyz tells, without which the process is still ready."""
        self._notes[name] = check

    def faults(self) -> dict[str, str]:
        """What is not well now; empty when the process is ready."""
        return _faults(self._checks)

    def answer(self, path: str) -> tuple[int, str, bytes] | None:
        """(status, content type, body) for a health path; None for any other."""
        if path == "/livez":
            return 200, "text/plain", b"alive\n"
        if path == "/readyz":
            faults = self.faults()
            told = [] if faults else ["ready\n"]
            told += [f"{name}: {fault}\n" for name, fault in (faults | _faults(self._notes)).items()]
            return (503 if faults else 200), "text/plain", "".join(told).encode()
        if path == "/metrics":
            return 200, CONTENT_TYPE_LATEST, generate_latest(REGISTRY)
        return None


def _faults(checks: dict[str, Check]) -> dict[str, str]:
    found = ((name, _ask(check)) for name, check in checks.items())
    return {name: fault for name, fault in found if fault is not None}


def _ask(check: Check) -> str | None:
    try:
        return check()
    except Exception as fault:
        # A 500 without a word would hide what the other checks have to say.
        return f"the check itself failed: {fault!r}"


class HealthServer:
    """Serves a Health on its own port."""

    def __init__(self, health: Health, host: str, port: int) -> None:
        self._health = health
        self._host = host
        self._port = port
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that is listened on, once started."""
        return self._port

    async def start(self) -> None:
        """Raises UnavailableError when the port is taken."""
        config = uvicorn.Config(
            self._app,
            interface="asgi3",
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        config.load()
        try:
            sock = config_socket(self._host, self._port)
        except OSError as fault:
            raise UnavailableError(
                f"can't listen on {self._host}:{self._port} for /metrics ({fault.strerror})",
                "stop what uses the port, or set SMPPD_METRICS_PORT to another (0 picks a free one)",
            ) from None
        self._port = sock.getsockname()[1]
        server = self._server = uvicorn.Server(config)
        self._task = asyncio.create_task(server._serve(sockets=[sock]))

    async def stop(self) -> None:
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task

    async def _app(self, scope: dict[str, Any], _receive: Any, send: Any) -> None:
        answer = self._health.answer(scope["path"]) if scope["type"] == "http" else None
        status, kind, body = answer or (404, "text/plain", b"/livez /readyz /metrics\n")
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def config_socket(host: str, port: int) -> Any:
    """A listening TCP socket. Raises OSError when the address is taken."""
    import socket

    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    sock.listen(2048)
    sock.setblocking(False)
    return sock
