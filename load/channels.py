"""How parcels travel: a request each (single, batch), or pieces of a long NDJSON stream. One channel, one connection.

A channel makes one attempt; whether and when there is another is the sender's business. Every attempt for a parcel carries
the same Idempotency-Key, so a repeat doubles nothing.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

import msgspec

from load.connection import Connection, Endpoint, Lost
from load.parcels import BATCH, HEAD, RETRY_LATER, ROW, SINGLE, Outcome, Parcel, Row, judge
from runtime.errors import UnavailableError

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
_LAST_CHUNK: Final = b"0\r\n\r\n"


class Attempt(NamedTuple):
    """`wait_s`: what the server asked for; None when it said nothing."""

    outcome: Outcome
    wait_s: float | None = None
    status: int = 0
    """0: no answer."""


class Channel(Protocol):
    """One connection's way of handing parcels over."""

    connection: Connection

    async def attempt(self, parcel: Parcel) -> Attempt:
        """Once; raises nothing but OSError (no connection: nothing was sent)."""
        ...

    async def finish(self) -> None:
        """Says that no more will come."""
        ...


class Requests:
    """A POST for each parcel: to /v1/messages for one message, to /v1/batches for many."""

    def __init__(self, endpoint: Endpoint, key: str, single: bool, run: str | None, timeout_s: float) -> None:
        """`run`: what Idempotency-Keys begin with; None sends none."""
        self.connection = Connection(endpoint)
        self._single = single
        self._head = endpoint.head("/v1/messages" if single else "/v1/batches", key, JSON)
        self._run = run
        self._timeout_s = timeout_s
        self.batches: list[str] = []

    async def attempt(self, parcel: Parcel) -> Attempt:
        connection = self.connection
        if not connection.is_open:
            await connection.open()
        try:
            answer = await connection.ask(self._written(parcel), self._timeout_s)
        except Lost:
            parcel.unsure = True
            return Attempt(Outcome.UNSURE)
        if answer.status != 202:
            wait_s = answer.retry_after_s if answer.status in RETRY_LATER else None
            return Attempt(judge(answer, parcel), wait_s, answer.status)
        self._take(answer.body, parcel)
        if not parcel.open:
            return Attempt(Outcome.SETTLED, None, 202)
        # Some rows did not reach Kafka, or may have: the very same request, later.
        parcel.unsure = True
        return Attempt(Outcome.UNSURE, answer.retry_after_s, 202)

    async def finish(self) -> None:
        self.connection.abort()

    def _take(self, body: bytes, parcel: Parcel) -> None:
        try:
            if self._single:
                parcel.ids[0] = SINGLE(body).id
            else:
                batch = BATCH(body)
                parcel.settle(batch.results)
                self.batches.append(batch.batch_id)
        except (msgspec.MsgspecError, IndexError) as fault:
            raise _strange(fault) from None

    def _written(self, parcel: Parcel) -> bytes:
        messages = parcel.messages
        if self._single:
            body = messages[0].body
        else:
            body = b'{"name":"load","messages":[%b]}' % b",".join([message.body for message in messages])
        key = b"" if self._run is None else b"Idempotency-Key: %b-%d\r\n" % (self._run.encode(), parcel.number)
        return b"%b%bContent-Length: %d\r\n\r\n%b" % (self._head, key, len(body), body)


class Stream:
    """NDJSON: parcels are pieces of one chunked body, whose results are read as they come.

    After a loss the same stream is sent again from its start, under its key: results known already are passed over.
    """

    def __init__(self, endpoint: Endpoint, key: str, run: str | None, timeout_s: float, most_lines: int) -> None:
        """`most_lines`: after so many the stream is ended and another begun; that many are kept for a repeat."""
        self.connection = Connection(endpoint)
        self._head = endpoint.head("/v1/batches", key, NDJSON)
        self._run = run
        self._timeout_s = timeout_s
        self._most_lines = most_lines
        self._sent: list[Parcel] = []
        self._lines = 0
        self._got = 0
        self._running = False
        self.batches: list[str] = []

    async def attempt(self, parcel: Parcel) -> Attempt:
        if not self._sent or self._sent[-1] is not parcel:
            await self._make_room()
            self._sent.append(parcel)
            self._lines += len(parcel.messages)
        try:
            return await self._exchange(parcel)
        except Lost:
            parcel.unsure = True
            return self._broken(Attempt(Outcome.UNSURE))

    async def finish(self) -> None:
        if self._running and self.connection.is_open:
            await self._end()
        self.connection.abort()

    async def _make_room(self) -> None:
        """Begins a new stream when this one is full, or can't be repeated."""
        if self._lines >= self._most_lines or (not self._running and self._run is None):
            if self._running:
                await self._end()
            self._sent, self._lines, self._got = [], 0, 0

    async def _exchange(self, parcel: Parcel) -> Attempt:
        """Raises Lost, OSError."""
        if not self._running:
            await self._begin()
        self.connection.write(_chunk(parcel))
        if not await self._results_up_to(parcel, self._lines):
            return self._over(parcel)
        if not parcel.open:
            return Attempt(Outcome.SETTLED, None, 202)
        parcel.unsure = True
        return self._broken(Attempt(Outcome.UNSURE, None, 202))

    async def _begin(self) -> None:
        await self.connection.open()
        first = self._sent[0].number
        key = b"" if self._run is None else b"Idempotency-Key: %b-%d\r\n" % (self._run.encode(), first)
        self.connection.begin(b"%b%bTransfer-Encoding: chunked\r\n\r\n" % (self._head, key))
        self._running, self._got = True, 0
        upto = 0
        for earlier in self._sent[:-1]:
            upto += len(earlier.messages)
            self.connection.write(_chunk(earlier))
            if not await self._results_up_to(earlier, upto):
                raise Lost("the stream ended while it was repeated")

    async def _results_up_to(self, parcel: Parcel, upto: int) -> bool:
        """Reads until the results before index `upto` are there; False when the answer was over before."""
        first = upto - len(parcel.messages)
        while self._got < upto:
            lines = await self.connection.lines(self._timeout_s)
            if not lines:
                return False
            rows = self._rows(lines)
            self._got += len(rows)
            parcel.settle((row for row in rows if row.index >= first), first)
        return True

    def _rows(self, lines: list[bytes]) -> list[Row]:
        """The results among lines of the answer; notes the batch's id on its first line."""
        try:
            rows = [ROW(line) for line in lines]
            if rows and rows[0].index < 0 and rows[0].complete is None:
                self.batches.append(HEAD(lines[0]).batch_id or "")
        except msgspec.MsgspecError as fault:
            raise _strange(fault) from None
        return [row for row in rows if row.index >= 0]

    def _over(self, parcel: Parcel) -> Attempt:
        """The server ended the answer: a problem instead of a stream, or a stream that could not go on."""
        answer = self.connection.answer()
        if answer.status == 202 or not answer.status:
            parcel.unsure = True
            return self._broken(Attempt(Outcome.UNSURE, answer.retry_after_s, answer.status))
        wait_s = answer.retry_after_s if answer.status in RETRY_LATER else None
        return self._broken(Attempt(judge(answer, parcel), wait_s, answer.status))

    def _broken(self, attempt: Attempt) -> Attempt:
        self._running = False
        self.connection.abort()
        if attempt.outcome is Outcome.SETTLED:
            # Refused as a whole: this stream is not worth repeating.
            self._sent, self._lines = [], 0
        return attempt

    async def _end(self) -> None:
        self._running = False
        try:
            self.connection.write(_LAST_CHUNK)
            while not self.connection.complete and await self.connection.lines(self._timeout_s):
                pass
        except Lost:
            self.connection.abort()


def _chunk(parcel: Parcel) -> bytes:
    lines = b"".join([message.body + b"\n" for message in parcel.messages])
    return b"%x\r\n%b\r\n" % (len(lines), lines)


def _strange(fault: Exception) -> UnavailableError:
    return UnavailableError("the server's answer is not one of this API", f"{fault}; is --url right?")
