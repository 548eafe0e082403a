"""HTTP/1.1 as a client, kept alive, one request at a time: a protocol on httptools, which the usual answer does not need.

A general client costs 150 µs and more a request, which would make this tool what limits a benchmark.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

import httptools

from runtime.errors import ConfigError

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
CONNECT_TIMEOUT_S: Final = 10.0
_ACCEPTED: Final = b"HTTP/1.1 202 "
_UNUSUAL: Final = (b"\r\nconnection:", b"\r\ntransfer-encoding:", b"\r\nretry-after:")


class Lost(Exception):
    """The connection ended, or was ended since no answer came, before the answer was there."""


class Answer(NamedTuple):
    """`retry_after_s`: None when the server gave none."""

    status: int
    body: bytes
    retry_after_s: float | None = None


def plain(data: bytes) -> Answer | None:
    """`data` as an answer, if it is a whole one of the usual kind: accepted, a body of a known length, the connection stays."""
    if not data.startswith(_ACCEPTED):
        return None
    head, _, body = data.partition(b"\r\n\r\n")
    head = head.lower()
    _, found, rest = head.partition(b"\r\ncontent-length:")
    if not found or any(field in head for field in _UNUSUAL):
        return None
    length = rest.partition(b"\r\n")[0].strip()
    return Answer(202, body) if length.isdigit() and int(length) == len(body) else None


class Endpoint(NamedTuple):
    """Where an api is."""

    host: str
    port: int
    path: str
    tls: ssl.SSLContext | None

    def head(self, path: str, key: str, media: str) -> bytes:
        """The start of a POST's head; Idempotency-Key and length are still to come."""
        return (
            f"POST {self.path}{path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nUser-Agent: smpp-dispatch-load\r\n"
            f"Authorization: Bearer {key}\r\nContent-Type: {media}\r\n"
        ).encode()


def endpoint_of(url: str) -> Endpoint:
    """Raises ConfigError for what is no address of an HTTP server."""
    parts = urlsplit(url if "//" in url else f"http://{url}")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or parts.query:
        raise ConfigError(f"--url {url} is no address", "write one like http://127.0.0.1:8080")
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    path = parts.path.rstrip("/").removesuffix("/v1")
    return Endpoint(parts.hostname, port or (443 if tls else 80), path, tls)


class Connection(asyncio.Protocol):
    """One connection. Opened when first needed, and again after it was lost."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._timed_out = False
        # Who waits for the whole answer, or for more of one.
        self._asked: asyncio.Future[Answer] | None = None
        self._changed: asyncio.Future[None] | None = None
        self.status = 0
        self._retry_after_s: float | None = None
        self._body: list[bytes] = []
        self._size = 0
        self._complete = False
        # Whether the parser has seen nothing of this answer.
        self._fresh = True
        self.deadline = 0.0
        """Monotonic time after which `expire` ends it; 0 while nothing is awaited."""

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def open(self) -> None:
        """Raises OSError."""
        if self.is_open:
            return
        self._reset()
        self._timed_out = False
        place = self._endpoint
        connecting = asyncio.get_running_loop().create_connection(lambda: self, place.host, place.port, ssl=place.tls)
        try:
            await asyncio.wait_for(connecting, CONNECT_TIMEOUT_S)
        except TimeoutError:
            raise OSError(f"no connection in {CONNECT_TIMEOUT_S:g} s") from None

    def ask(self, data: bytes, timeout_s: float) -> asyncio.Future[Answer]:
        """Sends a whole request. Raises Lost, and so does the future."""
        self.begin(data)
        self._asked = asked = asyncio.get_running_loop().create_future()
        # One sweep over all connections is cheaper than a timer a request.
        self.deadline = time.monotonic() + timeout_s
        return asked

    def begin(self, data: bytes) -> None:
        """The start of a request whose answer is read while the rest is written. Raises Lost."""
        self._reset()
        self.write(data)

    def write(self, data: bytes) -> None:
        """More of the request. Raises Lost."""
        if self._transport is None or self._transport.is_closing():
            raise Lost("closed by the server")
        self._transport.write(data)

    async def lines(self, timeout_s: float) -> list[bytes]:
        """Complete lines of the answer's body, as soon as there are some; none once it is over. Raises Lost.

        Of an answer that is no success there are none: it is left whole for `answer`.
        """
        while True:
            if self.status >= 300:
                if self._complete:
                    return []
                await self._wait(timeout_s)
                continue
            whole, newline, rest = b"".join(self._body).rpartition(b"\n")
            if newline or self._complete:
                self._body = [rest] if rest and newline else []
                return (whole if newline else rest).split(b"\n") if whole or rest else []
            await self._wait(timeout_s)

    def answer(self) -> Answer:
        """What has come so far, lines that were given out excepted."""
        return Answer(self.status, b"".join(self._body), self._retry_after_s)

    @property
    def complete(self) -> bool:
        """Whether the answer is over."""
        return self._complete

    def expire(self, now: float) -> None:
        """Ends it when an answer is overdue. To be called now and then."""
        if self.deadline and now > self.deadline:
            self._timed_out = True
            self.abort()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self, timeout_s: float) -> None:
        """Until something changes. Raises Lost."""
        if not self.is_open:
            raise self._lost()
        self._changed = asyncio.get_running_loop().create_future()
        self.deadline = time.monotonic() + timeout_s
        try:
            await self._changed
        finally:
            self._changed = None
            self.deadline = 0.0

    def _lost(self) -> Lost:
        return Lost("no answer in time" if self._timed_out else "closed by the server")

    def _wake(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    def _tell(self, answer: Answer | None) -> None:
        """Whoever asked; None: there is no answer."""
        asked, self._asked = self._asked, None
        self.deadline = 0.0
        if asked is None or asked.done():
            return
        if answer is None:
            asked.set_exception(self._lost())
        else:
            asked.set_result(answer)

    def _reset(self) -> None:
        self.status = 0
        self._retry_after_s = None
        self._body = []
        self._size = 0
        self._complete = False
        self._fresh = True

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        if self._fresh and self._asked is not None:
            answer = plain(data)
            if answer is not None:
                self._tell(answer)
                return
        self._fresh = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._tell(None)
        self._wake()

    # httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(name) == 11 and name.lower() == b"retry-after" and value.isdigit():
            self._retry_after_s = float(value)

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        self._body.append(data)
        self._size += len(data)
        if self._size > MAX_ANSWER_BYTES:
            self.abort()
        self._wake()

    def on_message_complete(self) -> None:
        self._complete = True
        if not self._parser.should_keep_alive() and self._transport is not None:
            self._transport.close()
        if self._asked is not None:
            self._tell(self.answer())
        self._wake()
