"""What a new owner learns from the last outcomes of its partitions (DESIGN §5, rule 7): which open records were settled
after the last commit, and which keys were submitted or listed. Pure; reading the topic is `dispatcher.takeover`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dispatcher.seen import Key, Place, key_of
from schemas.records import InDoubt, Outcome, Receipt, Rerouted, SubmitOutcome, Unreadable


@dataclass(slots=True)
class History:
    """Of one partition of `outcomes`, for all classes."""

    partition: int
    lows: Mapping[int, int] = field(default_factory=dict)
    """Class → the committed offset of its queue: what is below was settled before the commit, and is not asked for."""
    settled: dict[int, dict[int, bytes]] = field(default_factory=dict)
    """Class → offset → id of the message that the outcome settled."""
    seen: list[tuple[Key, Place]] = field(default_factory=list)

    def learn(self, outcomes: Iterable[Outcome]) -> None:
        """Outcomes in the order of the topic."""
        for outcome in outcomes:
            if isinstance(outcome, Receipt):
                continue
            if isinstance(outcome, Unreadable):
                self._settle(outcome.cls, outcome.offset, outcome.id)
                continue
            # A copy that went to another carrier stands for the message there: a repeat here would be a second one.
            if isinstance(outcome, SubmitOutcome | InDoubt | Rerouted):
                key = key_of(outcome.id, outcome.attempt, outcome.hop)
                if key is not None:
                    self.seen.append((key, Place(outcome.cls, self.partition, outcome.offset)))
            if not (isinstance(outcome, InDoubt) and outcome.action == "resending"):
                self._settle(outcome.cls, outcome.offset, outcome.id)

    def _settle(self, cls: int, offset: int, message_id: bytes) -> None:
        if offset >= self.lows.get(cls, 0):
            self.settled.setdefault(cls, {})[offset] = message_id
