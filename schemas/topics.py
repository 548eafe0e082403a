"""The topics: names, partitions, what each holds and who owns it (DESIGN §3). Creation is bus.topics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from schemas.classes import CLASS_NAMES

INTAKE_PARTITIONS: Final = 8
MO_PARTITIONS: Final = 8
RETENTION_MS: Final = 14 * 86_400_000


def intake_partition(id: bytes) -> int:
    """The partition of `intake` for all records of a message or batch, so that they are read in their order."""
    # The end of the id: its start is the time, the same for all ids of a moment.
    return int.from_bytes(id[-4:], "big") % INTAKE_PARTITIONS


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic as it must be. `writers` and `readers` are roles; `retention_ms` -1: never dropped by age."""

    name: str
    partitions: int
    holds: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    retention_ms: int = RETENTION_MS
    compacted: bool = False


@dataclass(frozen=True, slots=True)
class Topics:
    """Names under one prefix. Topic and group names all start with `prefix`."""

    prefix: str = ""

    def mt(self, carrier: str, cls: int) -> str:
        return f"{self.prefix}mt.{carrier}.{CLASS_NAMES[cls]}"

    def outcomes(self, carrier: str) -> str:
        return f"{self.prefix}outcomes.{carrier}"

    @property
    def intake(self) -> str:
        return f"{self.prefix}intake"

    @property
    def mo(self) -> str:
        return f"{self.prefix}mo"

    @property
    def reference(self) -> str:
        return f"{self.prefix}reference"

    @property
    def carrier_status(self) -> str:
        return f"{self.prefix}carrier-status"

    @property
    def dead_letters(self) -> str:
        return f"{self.prefix}dead-letters"

    def dispatch_group(self, carrier: str) -> str:
        return f"{self.prefix}dispatch.{carrier}"

    @property
    def recorder_group(self) -> str:
        return f"{self.prefix}recorder"

    def of_carrier(self, carrier: str, partitions: int) -> Iterator[TopicSpec]:
        # `outcomes` first: an owner of a message's partition must always be able to say what came of it.
        yield TopicSpec(
            self.outcomes(carrier), partitions, "what came of each message", ("dispatcher",), ("recorder", "dispatcher")
        )
        for cls in range(len(CLASS_NAMES)):
            yield TopicSpec(
                self.mt(carrier, cls),
                partitions,
                f"{CLASS_NAMES[cls]} messages to submit",
                ("api", "scheduler", "dispatcher"),
                ("dispatcher", "recorder"),
                retention_ms=-1,
            )

    def all(self, carriers: Iterable[tuple[str, int]]) -> list[TopicSpec]:
        """Every topic of the service, in the order of creation. `carriers`: (name, partitions)."""
        specs = [spec for name, partitions in carriers for spec in self.of_carrier(name, partitions)]
        specs += [
            TopicSpec(
                self.intake,
                INTAKE_PARTITIONS,
                "what does not go to a lane now",
                ("api", "cli", "scheduler"),
                ("recorder",),
            ),
            TopicSpec(self.mo, MO_PARTITIONS, "messages from handsets", ("dispatcher",), ("recorder",)),
            TopicSpec(
                self.reference,
                1,
                "switches, keys, accounts, cancellations",
                ("api", "cli"),
                ("api", "dispatcher", "recorder", "scheduler"),
                compacted=True,
                retention_ms=-1,
            ),
            TopicSpec(
                self.carrier_status, 1, "bind states", ("dispatcher",), ("api", "cli"), compacted=True, retention_ms=-1
            ),
            TopicSpec(self.dead_letters, 1, "bytes that no version reads", ("dispatcher", "recorder"), ("cli",)),
        ]
        return specs
