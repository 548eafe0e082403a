"""The asyncio face of an EsmeSession: one TCP or TLS connection, bytes to the session and back, its timers, and a limit on
how long a peer may refuse to read.

Everything runs in the connection's callbacks; there is no task. The listener hears of what came in and of the end.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterable
from typing import Any, Final, Generic, Protocol, TypeVar, cast

from smpp.core.errors import ConnectionFault
from smpp.core.esme import BindParams, EsmeSession, Received
from smpp.core.session import State

T = TypeVar("T")
WRITE_BUFFER_BYTES: Final = 256 * 1024
WRITE_TIMEOUT_S: Final = 10.0


class Listener(Protocol[T]):
    """What a connection tells. None may raise."""

    def made(self, connection: EsmeConnection[T]) -> None: ...

    def received(self, connection: EsmeConnection[T], got: Received[T]) -> None: ...

    def lost(self, connection: EsmeConnection[T], fault: ConnectionFault) -> None: ...


class EsmeConnection(asyncio.Protocol, Generic[T]):
    """One connection, from connect to `lost`. `session` holds the protocol's state."""

    def __init__(self, params: BindParams, listener: Listener[T]) -> None:
        self.session: EsmeSession[T] = EsmeSession(params, time.monotonic())
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._blocked_since: float | None = None
        self._fault: ConnectionFault | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = 0.0
        self._responses: list[bytes] = []

    @property
    def writable(self) -> bool:
        """Bound, and the peer reads: more may be written."""
        return self._transport is not None and self._blocked_since is None and self.session.state is State.BOUND

    def submit(self, batch: Iterable[tuple[T, bytes]], now: float) -> None:
        """Writes submit_sm for each (token, body), in one write."""
        data = self.session.submit(batch, now)
        if self._transport is not None:
            self._write_responses()
            self._transport.write(data)
            self._arm_sooner()

    def respond(self, deliveries: Iterable[tuple[int, int]], status: int = 0) -> None:
        """Responds to (sequence, command_id) of deliveries, if the connection is still there; in one write with what else is
        responded to in this turn of the loop: Kafka acknowledges receipts of several partitions at once."""
        if self._transport is not None:
            if not self._responses:
                asyncio.get_running_loop().call_soon(self._write_responses)
            self._responses.append(self.session.respond(deliveries, status))

    def _write_responses(self) -> None:
        responses, self._responses = self._responses, []
        if responses and self._transport is not None:
            self._transport.write(b"".join(responses))

    def unbind(self) -> None:
        """Asks to go; `lost` comes with the answer, or with the bind timeout."""
        self._write_responses()
        data = self.session.unbind(time.monotonic())
        if data and self._transport is not None:
            self._transport.write(data)
            self._arm()
        else:
            self.close("unbound", "closed without a bind")

    def close(self, kind: str, detail: str) -> None:
        """Ends the connection now; what is buffered is dropped."""
        self._fault = self._fault or ConnectionFault(kind, detail)
        if self._transport is not None:
            self._transport.abort()

    # ---- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        self._listener.made(self)
        self._transport.write(self.session.bind())
        self._arm()

    def data_received(self, data: bytes) -> None:
        self._digest(self.session.receive(data, time.monotonic()))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._transport = None
        fault = self._fault or ConnectionFault("closed", str(exc) if exc else "the peer closed the connection")
        self._listener.lost(self, fault)

    def pause_writing(self) -> None:
        self._blocked_since = time.monotonic()
        self._arm()

    def resume_writing(self) -> None:
        self._blocked_since = None
        # Nothing came in, but the listener may have waited to write.
        self._listener.received(self, Received([], [], [], [], [], b"", None))

    def _digest(self, got: Received[T]) -> None:
        if got.output and self._transport is not None:
            # Answers to the peer go before anything that the listener may want to submit.
            self._transport.write(got.output)
        self._listener.received(self, got)
        if got.fault is not None:
            self.close(got.fault.kind, got.fault.detail)
        elif self.session.state is State.CLOSED:
            last = got.notes[-1] if got.notes else None
            self.close(last.kind if last else "closed", last.detail if last else "")
        elif self.session.state is State.CLOSING and not self.session.outstanding:
            # Some peers ask to unbind and then wait for us to hang up.
            self.close("peer_unbind", "the SMSC asked to unbind")
        else:
            self._arm_sooner()

    # ---- timers: one, armed anew when it fires or when something is due before it, not with each PDU

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._armed_for = self._deadline()
        self._timer = loop.call_later(max(0.001, self._armed_for - time.monotonic()), self._tick)

    def _arm_sooner(self) -> None:
        if self._transport is not None and self.session.deadline() < self._armed_for:
            self._arm()

    def _deadline(self) -> float:
        deadline = self.session.deadline()
        return deadline if self._blocked_since is None else min(deadline, self._blocked_since + WRITE_TIMEOUT_S)

    def _tick(self) -> None:
        now = time.monotonic()
        if self._transport is None:
            return
        if self._blocked_since is not None and now >= self._blocked_since + WRITE_TIMEOUT_S:
            self.close("write_timeout", f"the peer has not read for {WRITE_TIMEOUT_S:.0f} s")
            return
        if now >= self.session.deadline():
            self._digest(self.session.tick(now))
        self._arm()


async def connect(
    host: str, port: int, params: BindParams, listener: Listener[T], *, timeout_s: float, tls: ssl.SSLContext | None = None,
    server_name: str = "",
) -> EsmeConnection[T]:  # fmt: skip
    """Connects and sends the bind; whether it is accepted comes as a note. Raises ConnectionFault."""
    loop = asyncio.get_running_loop()
    options: dict[str, Any] = {"ssl": tls, "server_hostname": server_name or host} if tls else {}
    try:
        async with asyncio.timeout(timeout_s):
            _, connection = await loop.create_connection(
                lambda: EsmeConnection[T](params, listener), host, port, **options
            )
    except TimeoutError:
        raise ConnectionFault("connect_timeout", f"{host}:{port} did not answer in {timeout_s:.0f} s") from None
    except ssl.SSLError as fault:
        raise ConnectionFault("tls", f"{host}:{port}: {fault.reason or fault}") from None
    except OSError as fault:
        raise ConnectionFault("connect", f"{host}:{port}: {fault.strerror or fault}") from None
    except UnicodeError:
        # What the resolver's encoding says of "a..b", or of a label of 64 characters.
        raise ConnectionFault("connect", f"{host!r} is no host name") from None
    return connection
