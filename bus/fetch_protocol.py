"""Kafka's Fetch, version 7, packed and parsed by hand: aiokafka's general codec takes two to five times as long
(bench.fetch). Its connections send it all the same.

With a *session* (KIP-227) the broker remembers what is read: a request names only what changed, an answer only what came.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from io import BytesIO
from itertools import groupby
from struct import Struct
from typing import Any, ClassVar, Final, NamedTuple

import aiokafka.errors as kafka_errors
from aiokafka.protocol.api import RequestHeader_v1, ResponseHeader_v0

from bus.ports import TopicPartition
from bus.primitives import INT, int_at, packed_text, text_at

VERSION: Final = 7
# replica, longest wait, fewest bytes, most bytes, isolation (read uncommitted: nobody here writes in transactions), session, epoch
_HEAD: Final = Struct(">iiiibii")
_ASKED: Final = Struct(">iqqi")  # partition, offset, start of the log (brokers tell it to each other), most bytes
_ANSWER: Final = Struct(">ihi")  # throttled ms, error, session
# partition, error, high watermark, last stable, start of the log, aborted transactions
_FOUND: Final = Struct(">ihqqqi")
_BATCH: Final = Struct(">qi")  # base offset, length of what follows
_LAST_DELTA_AT: Final = 23
_COUNT_AT: Final = 57
_BATCH_HEAD: Final = 61
_LAST_EPOCH: Final = 2**31 - 1


class Found(NamedTuple):
    """What an answer says of one partition. `records`: whole batches, and perhaps the beginning of one more."""

    tp: TopicPartition
    error: int
    high: int
    records: bytes


class FetchAnswer(NamedTuple):
    """`error`: of the session."""

    error: int
    session: int
    found: list[Found]

    @classmethod
    def decode(cls, buffer: BytesIO) -> FetchAnswer:
        """From behind the header of the frame. Raises struct.error."""
        data = buffer.getvalue()
        _, error, session = _ANSWER.unpack_from(data, at := buffer.tell())
        topics, at = int_at(data, at + _ANSWER.size)
        found: list[Found] = []
        for _ in range(topics):
            at = _topic(data, at, found)
        return cls(error, session, found)


def _topic(data: bytes, at: int, found: list[Found]) -> int:
    topic, at = text_at(data, at)
    partitions, at = int_at(data, at)
    for _ in range(partitions):
        number, error, high, _, _, aborted = _FOUND.unpack_from(data, at)
        at += _FOUND.size + 16 * max(0, aborted)
        size, at = int_at(data, at)
        found.append(Found(TopicPartition(topic, number), error, high, data[at : at + max(0, size)]))
        at += max(0, size)
    return at


class FetchRequest:
    """As aiokafka's connections take it. `asked`: partition → (offset, most bytes); `forgotten`: read no more in this session."""

    API_KEY: ClassVar = 1
    API_VERSION: ClassVar = VERSION
    RESPONSE_TYPE: ClassVar = FetchAnswer

    def __init__(
        self, wait_ms: int, most_bytes: int, session: int, epoch: int,
        asked: Mapping[TopicPartition, tuple[int, int]], forgotten: list[TopicPartition],
    ) -> None:  # fmt: skip
        self._head = _HEAD.pack(-1, wait_ms, 1, most_bytes, 0, session, epoch)
        self._asked = asked
        self._forgotten = forgotten

    def prepare(self, versions: Mapping[int, tuple[int, int]]) -> FetchRequest:
        """Raises IncompatibleBrokerVersion."""
        least, most = versions.get(self.API_KEY, (0, 0))
        if not least <= VERSION <= most:
            raise kafka_errors.IncompatibleBrokerVersion(f"the broker speaks Fetch {least} to {most}, not {VERSION}")
        return self

    def build_request_header(self, correlation_id: int, client_id: str) -> Any:
        return RequestHeader_v1(self, correlation_id=correlation_id, client_id=client_id)

    def parse_response_header(self, buffer: BytesIO) -> Any:
        return ResponseHeader_v0.decode(buffer)

    def encode(self) -> bytes:
        asked = [
            (topic, [_ASKED.pack(tp.partition, offset, -1, most) for tp in tps for offset, most in (self._asked[tp],)])
            for topic, tps in _by_topic(self._asked)
        ]
        forgotten = [(topic, [INT.pack(tp.partition) for tp in tps]) for topic, tps in _by_topic(self._forgotten)]
        return self._head + _packed(asked) + _packed(forgotten)


def _by_topic(tps: Any) -> Iterator[tuple[str, list[TopicPartition]]]:
    for topic, group in groupby(sorted(tps), key=lambda tp: tp[0]):
        yield topic, list(group)


def _packed(topics: list[tuple[str, list[bytes]]]) -> bytes:
    pieces = [INT.pack(len(topics))]
    for topic, partitions in topics:
        pieces += (packed_text(topic), INT.pack(len(partitions)), *partitions)
    return b"".join(pieces)


class Session:
    """What the broker knows of our reading: epochs count its requests; 0 asks for a new one."""

    def __init__(self) -> None:
        self.id = 0
        self.asked: Mapping[TopicPartition, tuple[int, int]] = {}
        """As of the last request."""
        self._epoch = 0

    def request(self, wanted: Mapping[TopicPartition, tuple[int, int]], wait_ms: int, most_bytes: int) -> FetchRequest:
        """The next request: `wanted` is all that is read now. One at a time."""
        before = self.asked if self._epoch else {}
        changed = {tp: want for tp, want in wanted.items() if before.get(tp) != want}
        forgotten = [tp for tp in before if tp not in wanted]
        self.asked = wanted
        return FetchRequest(wait_ms, most_bytes, self.id, self._epoch, changed, forgotten)

    def answered(self, answer: FetchAnswer) -> None:
        """A broker that has no room for a session answers 0: then each request says all."""
        self.id = answer.session
        self._epoch = 0 if not self.id else 1 if self._epoch == _LAST_EPOCH else self._epoch + 1


def measure(records: bytes) -> tuple[int, int]:
    """(offset after the last whole batch, how many records are in them); (-1, 0) when there is none."""
    at, after, count = 0, -1, 0
    while at + _BATCH_HEAD <= len(records):
        base, length = _BATCH.unpack_from(records, at)
        if at + _BATCH.size + length > len(records):
            break
        after = base + INT.unpack_from(records, at + _LAST_DELTA_AT)[0] + 1
        count += INT.unpack_from(records, at + _COUNT_AT)[0]
        at += _BATCH.size + length
    return after, count
