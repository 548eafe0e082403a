"""Reading what clients upload: whole bodies and lines, with a limit on size that is checked while reading, a limit on
waiting, and a limit on what all requests together hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from api.posting import unavailable
from api.problems import Refusal, refusal

IDLE_S: Final = 30.0
"""Longest pause between two pieces of a body."""
MAX_LINE_BYTES: Final = 256 * 1024
"""Of a stream. The largest valid message, every character escaped, takes 170 KB."""
_TICK_S: Final = 1.0
_CLOSE: Final = {"Connection": "close"}
"""The rest of the body is not worth reading."""

Receive = Callable[[], Any]


class ClientGone(Exception):
    """The client closed the connection: nobody is left to answer."""


class Uploads:
    """`most_bytes`: largest body; `most_held`: most bytes of bodies in this process at once, after which 503 is answered."""

    def __init__(self, most_bytes: int, most_held: int) -> None:
        self.most_bytes = most_bytes
        self._most_held = most_held
        self.held = 0
        self._stopping = False

    def stop(self) -> None:
        """Ends the streams under way at their next line; bodies are read to their end."""
        self._stopping = True

    @asynccontextmanager
    async def body(self, headers: Mapping[str, str], receive: Receive) -> AsyncIterator[bytes]:
        """The whole body, held until the end of the block. Raises Refusal (body_too_large, request_timeout,
        intake_unavailable), ClientGone."""
        announced = headers.get("content-length", "")
        if announced.isdigit() and int(announced) > self.most_bytes:
            raise self._too_large()
        pieces: list[bytes] = []
        try:
            await self._read(receive, pieces)
            yield pieces[0] if len(pieces) == 1 else b"".join(pieces)
        finally:
            self.held -= sum(map(len, pieces))

    def hold(self, size: int) -> None:
        """A whole body of so many bytes, not above `most_bytes`, is there until `release`. Raises Refusal
        (intake_unavailable): then it does not count."""
        self.held += size
        try:
            self._check(size)
        except Refusal:
            self.held -= size
            raise

    def release(self, size: int) -> None:
        self.held -= size

    async def _read(self, receive: Receive, pieces: list[bytes]) -> None:
        size, more = 0, True
        while more:
            message = await self._next_of_body(receive)
            more = message.get("more_body", False)
            piece = message.get("body", b"")
            pieces.append(piece)
            size += len(piece)
            self.held += len(piece)
            self._check(size)

    @staticmethod
    async def _next_of_body(receive: Receive) -> Any:
        try:
            return await _next(receive, IDLE_S)
        except TimeoutError:
            raise _silent() from None

    def _check(self, size: int) -> None:
        if size > self.most_bytes:
            raise self._too_large()
        if self.held > self._most_held:
            raise unavailable("this process is busy with other large bodies; this request was not sent")

    def _too_large(self) -> Refusal:
        return refusal("body_too_large", f"the body is larger than {self.most_bytes} bytes", headers=_CLOSE)

    async def lines(self, receive: Receive) -> AsyncIterator[list[bytes]]:
        """The lines of a stream, as many at once as have come; empty ones are left out. Raises as `body`."""
        rest = bytearray()
        more = True
        while more:
            message = await self._next_of_stream(receive)
            more = message.get("more_body", False)
            complete, newline, tail = message.get("body", b"").rpartition(b"\n")
            if newline:
                rest += complete
                lines, rest = bytes(rest).split(b"\n"), bytearray(tail)
            else:
                rest += tail
                lines = []
            if not more:
                lines.append(bytes(rest))
            if len(rest) > MAX_LINE_BYTES or any(len(line) > MAX_LINE_BYTES for line in lines):
                raise refusal("body_too_large", f"a line is longer than {MAX_LINE_BYTES} bytes")
            lines = [line for line in lines if line and not line.isspace()]
            if lines:
                yield lines

    async def _next_of_stream(self, receive: Receive) -> Any:
        # A stream may last for hours: look up every second whether this process is about to stop.
        for _ in range(round(IDLE_S / _TICK_S)):
            if self._stopping:
                raise unavailable("this process is about to stop; send the rest again")
            try:
                return await _next(receive, _TICK_S)
            except TimeoutError:
                continue
        raise _silent()


async def _next(receive: Receive, patience_s: float) -> Any:
    """The next ASGI message. Raises TimeoutError, ClientGone."""
    async with asyncio.timeout(patience_s):
        message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message


def _silent() -> Refusal:
    return refusal("request_timeout", f"nothing came for {IDLE_S:g} s", headers=_CLOSE)
