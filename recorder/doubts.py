"""The rows of `in_doubt`: each doubt listed once, ended by the answer that ends it, and repeats that nobody listed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from recorder.drafts import Draft
from schemas.records import InDoubt
from schemas.sealing import check_of

Row = tuple[Any, ...]
REPEAT: Final = "possible_duplicate"
"""The reason of a repeat that no doubt was listed for."""


@dataclass(slots=True)
class Doubts:
    """Rows for the queries open_doubt, resolve_doubt and withdraw_repeat."""

    opened: list[Row] = field(default_factory=list)
    resolved: list[Row] = field(default_factory=list)
    withdrawn: list[Row] = field(default_factory=list)

    def settle(self, draft: Draft) -> None:
        """The doubts and repeats of one message, when everything that the batch says of it is applied."""
        progress = draft.progress
        self.opened += [_doubt_row(draft, carrier, outcome) for carrier, outcome in draft.listed]
        for doubt, known_end in draft.known_doubts:
            end = progress.resolution(doubt)
            if end is not None and end != known_end:
                _, at_ms, attempt, hop, carrier = doubt[:5]
                self.resolved.append((draft.id, carrier, attempt, hop, at_ms, *end))
        repeat = progress.unlisted_repeat()
        if repeat and not draft.was_repeat:
            self.opened.append(_repeat_row(draft))
        elif draft.was_repeat and not repeat:
            self.withdrawn.append((draft.id,))


def _doubt_row(draft: Draft, carrier: str, outcome: InDoubt) -> Row:
    entry = next(
        doubt
        for doubt in draft.progress.doubts
        if doubt[1:5] == (outcome.at_ms, outcome.attempt, outcome.hop, carrier) and doubt[5] == outcome.action
    )
    return (
        draft.id,
        outcome.at_ms,
        outcome.attempt,
        outcome.hop,
        outcome.cls,
        outcome.lane,
        check_of(outcome.index) if outcome.index else 0,
        outcome.until_ms,
        carrier,
        outcome.reason,
        outcome.action,
        *(draft.progress.resolution(entry) or (None, None)),
    )


def _repeat_row(draft: Draft) -> Row:
    accepted = sorted(
        (send for send in draft.progress.sends if send.refusal is None), key=lambda send: (send.submitted_ms, send.turn)
    )
    second = accepted[1]
    attempt, hop = divmod(second.turn, 1 << 16)
    return (draft.id, second.at_ms, attempt, hop, draft.cls, 0, 0, 0, second.carrier, REPEAT, "sent", None, None)
