"""Kafka's Produce, version 7, packed and parsed by hand: of what a flush of 24 partitions cost its sender, aiokafka's general
codec was a quarter. Its producer and its connections send it all the same; of a broker that speaks another version they use
their own."""

from __future__ import annotations

from io import BytesIO
from struct import Struct
from typing import Any, ClassVar, Final, NamedTuple

import aiokafka.producer.sender as aiokafka_sender
from aiokafka.protocol.produce import ProduceRequest, ProduceRequest_v7

_ACKS: Final = Struct(">hi")  # acknowledgements, timeout ms
_INT: Final = Struct(">i")
_SHORT: Final = Struct(">h")
_BATCH: Final = Struct(">ii")  # partition, bytes of its records
_NULL: Final = b"\xff\xff"
# partition, error, first offset, time of the append, start of the log
_DONE: Final = Struct(">ihqqq")


class ProduceAnswer(NamedTuple):
    """`topics`: (topic, [(partition, error, first offset, time of the append, start of the log)])."""

    topics: list[tuple[str, list[tuple[int, int, int, int, int]]]]
    API_VERSION: int = 7

    @classmethod
    def decode(cls, buffer: BytesIO) -> ProduceAnswer:
        """From behind the header of the frame. Raises struct.error."""
        data = buffer.getvalue()
        (count,) = _INT.unpack_from(data, at := buffer.tell())
        at += 4
        topics = []
        for _ in range(count):
            (length,) = _SHORT.unpack_from(data, at)
            topic = data[at + 2 : at + 2 + length].decode()
            (partitions,) = _INT.unpack_from(data, at := at + 2 + length)
            end = (at := at + 4) + partitions * _DONE.size
            topics.append((topic, [_DONE.unpack_from(data, place) for place in range(at, end, _DONE.size)]))
            at = end
        return cls(topics)


class QuickStruct(ProduceRequest_v7):  # type: ignore[misc]  # aiokafka is not typed
    """As aiokafka's connections take it."""

    RESPONSE_TYPE: ClassVar[Any] = ProduceAnswer

    def encode(self) -> bytes:
        name = self.transactional_id
        pieces = [
            _NULL if name is None else _text(name),
            _ACKS.pack(self.required_acks, self.timeout),
            _INT.pack(len(self.topics)),
        ]
        for topic, batches in self.topics:
            pieces += (_text(topic), _INT.pack(len(batches)))
            for partition, records in batches:
                pieces += (_BATCH.pack(partition, len(records)), records)
        return b"".join(pieces)


class QuickProduce(ProduceRequest):  # type: ignore[misc]  # aiokafka is not typed
    """A request of aiokafka's producer."""

    def build(self, request_struct_class: Any) -> Any:
        return super().build(QuickStruct if request_struct_class is ProduceRequest_v7 else request_struct_class)


def use() -> None:
    """For all producers of this process."""
    aiokafka_sender.ProduceRequest = QuickProduce


def _text(name: str) -> bytes:
    raw = name.encode()
    return _SHORT.pack(len(raw)) + raw
