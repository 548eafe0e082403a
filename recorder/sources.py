"""Which topics the recorder reads, what they hold, and which partitions go together."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

from bus.assignor import partitions_of
from bus.ports import TopicPartition
from schemas.classes import CLASS_NAMES
from schemas.topics import INTAKE_PARTITIONS, MO_PARTITIONS, Topics

Kind = Literal["mt", "outcomes", "intake", "mo", "reference"]
UNITS: Final = 12
"""Shares of the work. Unit u has the partitions p ≡ u (mod UNITS) of every topic, so that a message and its outcomes
come to one recorder and fold."""


class Source(NamedTuple):
    """One topic. `carrier` is empty where the topic is not a carrier's."""

    topic: str
    kind: Kind
    carrier: str
    partitions: int


class Sources:
    """All topics of the recorder under one prefix. `carriers`: their partitions by name."""

    def __init__(self, topics: Topics, carriers: Mapping[str, int]) -> None:
        self.topics = topics
        found = []
        for name, partitions in sorted(carriers.items()):
            found.append(Source(topics.outcomes(name), "outcomes", name, partitions))
            found += [Source(topics.mt(name, cls), "mt", name, partitions) for cls in range(len(CLASS_NAMES))]
        found += [
            Source(topics.intake, "intake", "", INTAKE_PARTITIONS),
            Source(topics.mo, "mo", "", MO_PARTITIONS),
            Source(topics.reference, "reference", "", 1),
        ]
        self.by_topic: Mapping[str, Source] = {source.topic: source for source in found}
        self.names = list(self.by_topic)

    @property
    def fingerprint(self) -> str:
        """Changes when the topics do: members of the group with different ones must not share out by the new ones yet."""
        return f"{zlib.crc32(repr(sorted(self.by_topic.values())).encode()):08x}"

    def partitions(self, units: Iterable[int], in_force: int) -> list[TopicPartition]:
        """The partitions of these units, of `in_force` in the whole group."""
        return [
            TopicPartition(source.topic, number)
            for source in self.by_topic.values()
            for unit in sorted(units)
            for number in partitions_of(unit, in_force, source.partitions)
        ]

    def all_partitions(self) -> list[TopicPartition]:
        return self.partitions(range(UNITS), UNITS)


def carriers_to_read(topics: Topics, wanted: Mapping[str, int], existing: Mapping[str, int]) -> dict[str, int]:
    """Those of carriers.toml, and those that Kafka still has topics of: of a carrier that was taken out of the file
    what was accepted and answered before is to be recorded too.

    `existing`: partitions of each topic that is there.
    """
    head = topics.outcomes("")
    found = {name.removeprefix(head): count for name, count in existing.items() if name.startswith(head)}
    whole = {
        name: count
        for name, count in found.items()
        if all(existing.get(topics.mt(name, cls)) == count for cls in range(len(CLASS_NAMES)))
    }
    return {**whole, **wanted}
