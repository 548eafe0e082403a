"""However a client cuts its requests, and whichever heads come again, the door answers as the framework does, but for ids."""

from __future__ import annotations

import asyncio
import json
import re
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.onewrite import OneWrite
from tests.unit.api.stage import SEND, Stage
from tests.unit.api.wire import Connection, request_bytes, split

BODIES = [
    json.dumps(SEND).encode(),
    json.dumps({**SEND, "text": "Hallo"}).encode(),
    json.dumps({**SEND, "to": "x"}).encode(),
    b"{",
    b"",
]
MORE: list[list[tuple[bytes, bytes]]] = [
    [],
    [(b"X-Other", b"1")],
    [(b"Connection", b"close")],
    [(b"Authorization", b"Bearer sk_live_nobody")],
    [(b"Idempotency-Key", b"k")],
    [(b"Transfer-Encoding", b"chunked")],
    [(b"Content-Length", b"4")],
]


class Sent(NamedTuple):
    """A request, and where it is cut; 0: nowhere."""

    body: bytes
    more: list[tuple[bytes, bytes]]
    cut: int


requests = st.builds(Sent, st.sampled_from(BODIES), st.sampled_from(MORE), st.integers(0, 330) | st.just(0))


_DRAWN = re.compile(rb'(x-request-id: |"(?:id|request_id|instance)":")[^"\r]+')


class Seen(NamedTuple):
    """What a client sees of a connection, without what is drawn anew each time. `published`: messages in Kafka."""

    answers: list[list[bytes]]
    closed: bool
    published: int


def bytes_of(sent: Sent, token: str) -> bytes:
    own = any(name == b"Authorization" for name, _ in sent.more)
    headers = [] if own else [(b"Authorization", f"Bearer {token}".encode())]
    body = sent.body
    if (b"Transfer-Encoding", b"chunked") in sent.more:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    return request_bytes(body, [(b"Content-Type", b"application/json"), *headers, *sent.more])


async def talk(sent: list[Sent], through_the_door: bool) -> Seen:
    stage = Stage()
    connection = Connection(stage.entrance if through_the_door else OneWrite, stage.app)
    for expected, one in enumerate(sent, 1):
        data = bytes_of(one, stage.token)
        for piece in (data[: one.cut], data[one.cut :]) if 0 < one.cut < len(data) else (data,):
            if not connection.closed:
                connection.feed(piece)
        if any(value == b"4" for _, value in one.more):
            break  # of what is told to be longer or shorter than it is, the rest is another request's start
        await connection.answers(expected)
    for _ in range(30):
        await asyncio.sleep(0)
    answers = [_in_any_order(_DRAWN.sub(rb"\1", answer)) for answer in split(connection.written)]
    return Seen(answers, connection.closed, len(stage.published()))


def _in_any_order(answer: bytes) -> list[bytes]:
    """Status, headers and body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *headers = head.split(b"\r\n")
    return [status, *sorted(headers), body]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(requests, min_size=1, max_size=6))
def test_the_door_and_the_framework_answer_alike(sent: list[Sent]) -> None:
    found = [asyncio.run(talk(sent * 2, through_the_door)) for through_the_door in (True, False)]
    assert found[0] == found[1]
