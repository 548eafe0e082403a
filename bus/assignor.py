"""Which member owns which unit of a group: sticky, balanced, and in step with one version of the configuration.

A unit is a set of partitions that must go together: lane i of a carrier owns the partitions p ≡ i (mod lanes) of all its
topics. Members tell, in the user data of their join, the hash of their configuration, the units it asks for, and what they
own; the leader decides with `assign_units`, a pure function. While hashes differ the number of units in force holds.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata


class Claim(msgspec.Struct, array_like=True, frozen=True):
    """What a member says of itself when it joins."""

    instance: str
    config: str
    units: int
    """How many units its configuration asks for."""
    in_force: int = 0
    """How many there were at its last assignment; 0 when it never had one."""
    owned: tuple[int, ...] = ()
    nonce: int = 0


class Grant(msgspec.Struct, array_like=True, frozen=True):
    """What the leader answers."""

    units: tuple[int, ...]
    in_force: int


def assign_units(group: str, claims: Mapping[str, Claim]) -> tuple[int, dict[str, list[int]]]:
    """(units in force, units of each member). Pure.

    A unit stays with the member that owned it unless that member has more than its fair share; a unit that two claim
    goes to the one whose claim sorts first. Ties are broken by a hash of group and instance, so that over many carriers
    the odd lanes spread over all workers.
    """
    in_force = _units_in_force(claims)
    order = sorted(claims, key=lambda member: (zlib.crc32(f"{group}/{claims[member].instance}".encode()), member))
    most, extra = divmod(in_force, len(order))
    shares: dict[str, list[int]] = {member: [] for member in order}
    free = set(range(in_force))
    # Members that own more keep the odd ones: fewer moves.
    by_load = sorted(order, key=lambda member: -len(claims[member].owned) if claims[member].in_force == in_force else 0)
    quota = {member: most + (1 if rank < extra else 0) for rank, member in enumerate(by_load)}
    for member in by_load:
        if claims[member].in_force != in_force:
            continue  # its numbers mean other partitions
        for unit in sorted(claims[member].owned):
            if unit in free and len(shares[member]) < quota[member]:
                free.discard(unit)
                shares[member].append(unit)
    for unit in sorted(free):
        member = min(order, key=lambda name: (len(shares[name]) - quota[name], order.index(name)))
        shares[member].append(unit)
    return in_force, {member: sorted(units) for member, units in shares.items()}


def _units_in_force(claims: Mapping[str, Claim]) -> int:
    wanted = Counter(claim.units for claim in claims.values())
    if len({claim.config for claim in claims.values()}) > 1:
        held = Counter(claim.in_force for claim in claims.values() if claim.in_force)
        if held:
            return _most_common(held)
    return _most_common(wanted)


def _most_common(counts: Counter[int]) -> int:
    # Of several the smallest: whoever leads, and in whatever order it hears of the members, says the same.
    return min(counts, key=lambda units: (-counts[units], units))


def partitions_of(unit: int, units: int, partitions: int) -> range:
    """The partitions of a unit: p ≡ unit (mod units)."""
    return range(unit, partitions, units)


class UnitAssignor:
    """The aiokafka face of `assign_units`, one instance a membership."""

    name = "smppd-units-1"

    def __init__(self, group: str, claim: Claim) -> None:
        self._group = group
        self.claim = claim
        self.granted: Grant | None = None

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        return ConsumerProtocolMemberMetadata(0, sorted(topics), msgspec.msgpack.encode(self.claim))

    def assign(
        self, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        claims = {
            member: msgspec.msgpack.decode(metadata.user_data, type=Claim) for member, metadata in members.items()
        }
        topics = sorted({topic for metadata in members.values() for topic in metadata.subscription})
        in_force, shares = assign_units(self._group, claims)
        answers = {}
        for member, units in shares.items():
            assignment = []
            for topic in topics:
                count = len(cluster.partitions_for_topic(topic) or ())
                mine = [p for unit in units for p in partitions_of(unit, in_force, count)]
                if mine:
                    assignment.append((topic, sorted(mine)))
            grant = msgspec.msgpack.encode(Grant(tuple(units), in_force))
            answers[member] = ConsumerProtocolMemberAssignment(0, assignment, grant)
        return answers

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        self.granted = (
            msgspec.msgpack.decode(assignment.user_data, type=Grant) if assignment.user_data else Grant((), 0)
        )
        self.claim = msgspec.structs.replace(self.claim, in_force=self.granted.in_force, owned=self.granted.units)
