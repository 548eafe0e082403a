"""Which messages were seen before: what makes "sent twice" a number that does not come from the service under test."""

from __future__ import annotations

SHARDS = 256


class Identities:
    """A bounded set of 64-bit hashes. Beyond `limit` messages it stops telling new from old, and says so."""

    def __init__(self, limit: int) -> None:
        self.distinct = 0
        self.repeats = 0
        self.limit = limit
        # Many small sets grow at different moments: one big set would halt the process while it is rehashed.
        self._shards: tuple[set[int], ...] = tuple(set() for _ in range(SHARDS))

    @property
    def full(self) -> bool:
        """True once messages pass uncounted; `distinct` and `repeats` are then lower bounds."""
        return self.distinct >= self.limit

    def add(self, identity: int) -> bool:
        """Counts a message by its 64-bit hash; True for a repeat."""
        shard = self._shards[identity & 0xFF]
        # The shard's number leaves the hash, or all members of a shard would collide in its lowest bits.
        rest = identity >> 8
        if rest in shard:
            self.repeats += 1
            return True
        if self.distinct < self.limit:
            shard.add(rest)
            self.distinct += 1
        return False
