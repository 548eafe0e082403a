"""One submit that the carrier answered, and what receipts say of its segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from policy.status import ReceiptMode, SegmentState, Standing, standing_of_segments
from smpp.states import FINAL_STATES, MessageState

_EACH: Final[ReceiptMode] = "each"


class Send:
    """One submit that the carrier answered."""

    __slots__ = ("at_ms", "carrier", "parts", "refusal", "retry_at_ms", "states", "submitted_ms", "turn")

    def __init__(
        self,
        turn: int,
        carrier: str,
        at_ms: int,
        submitted_ms: int,
        parts: Sequence[str],
        refusal: Standing | None,
        retry_at_ms: int,
    ) -> None:
        self.turn = turn
        self.carrier = carrier
        self.at_ms = at_ms
        self.submitted_ms = submitted_ms
        self.parts = parts
        self.refusal = refusal
        self.retry_at_ms = retry_at_ms
        """0: a refusal is the end of it."""
        self.states: dict[int, SegmentState] = {}

    def standing(self, modes: Mapping[str, ReceiptMode]) -> Standing:
        return self.refusal or standing_of_segments(self.parts, self.states, modes.get(self.carrier, _EACH))

    def failed_before(self, moment_ms: int) -> bool:
        """A receipt of that time said that a segment of it is not delivered."""
        return any(
            known.state in FINAL_STATES and known.state != MessageState.DELIVRD and known.at_ms <= moment_ms
            for known in self.states.values()
        )
