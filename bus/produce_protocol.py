"""Kafka's Produce, version 7, packed and parsed by hand: of what a flush of 24 partitions cost its sender, aiokafka's general
codec was a quarter. Its producer and its connections send it all the same; of a broker that speaks another version they use
their own."""

from __future__ import annotations

from io import BytesIO
from struct import Struct
from typing import Any, ClassVar, Final, NamedTuple

import aiokafka.producer.sender as aiokafka_sender
from aiokafka.protocol.produce import ProduceRequest, ProduceRequest_v7

from bus.primitives import INT, NO_TEXT, int_at, packed_text, text_at

_ACKS: Final = Struct(">hi")  # acknowledgements, timeout ms
_BATCH: Final = Struct(">ii")  # partition, bytes of its records
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
        count, at = int_at(data, buffer.tell())
        topics = []
        for _ in range(count):
            topic, at = text_at(data, at)
            partitions, at = int_at(data, at)
            end = at + partitions * _DONE.size
            topics.append((topic, [_DONE.unpack_from(data, place) for place in range(at, end, _DONE.size)]))
            at = end
        return cls(topics)


class QuickStruct(ProduceRequest_v7):  # type: ignore[misc]  # aiokafka is not typed
    """As aiokafka's connections take it."""

    RESPONSE_TYPE: ClassVar[Any] = ProduceAnswer

    def encode(self) -> bytes:
        name = self.transactional_id
        pieces = [
            NO_TEXT if name is None else packed_text(name),
            _ACKS.pack(self.required_acks, self.timeout),
            INT.pack(len(self.topics)),
        ]
        for topic, batches in self.topics:
            pieces += (packed_text(topic), INT.pack(len(batches)))
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
