"""Listening: uvicorn under our own lifecycle, on a socket that is bound before anything is said to be ready."""

from __future__ import annotations

import asyncio

import uvicorn
from starlette.types import ASGIApp

from api.onewrite import OneWrite
from runtime.errors import UnavailableError
from runtime.health import KEEP_ALIVE_S, config_socket


class HttpServer:
    """Serves the app. `protocol`: what speaks HTTP with each connection; `drain_s`: how long requests under way may take when
    it stops."""

    def __init__(self, app: ASGIApp, protocol: type[OneWrite], host: str, port: int, drain_s: float) -> None:
        self._host = host
        self._port = port
        config = uvicorn.Config(
            app,
            interface="asgi3",
            http=protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, round(drain_s)),
        )
        config.load()
        self._server = uvicorn.Server(config)
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that is listened on, once started."""
        return self._port

    @property
    def stopping(self) -> bool:
        return self._server.should_exit

    async def start(self) -> None:
        """Raises UnavailableError when the port is taken."""
        try:
            sock = config_socket(self._host, self._port)
        except OSError as fault:
            raise UnavailableError(
                f"can't listen on {self._host}:{self._port} ({fault.strerror})",
                "stop what uses the port, or set SMPPD_HTTP_PORT to another (0 picks a free one)",
            ) from None
        self._port = sock.getsockname()[1]
        # `serve` would take the signals, which are the lifecycle's.
        self._task = asyncio.create_task(self._server._serve(sockets=[sock]))

    async def stop(self) -> None:
        """Accepts nothing more, and waits for the requests under way."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
