"""What is known of one message, learnt entry by entry (store.timeline), and the row's columns that follow from it.

`Progress` is what a row's timeline says; replaying the entries gives it back, whatever their order (policy.status tells
the rules and where order counts). It is mutable and plain: the recorder makes one for each message of a batch.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Final

from policy.matching import CLOCK_SKEW_MS
from policy.sends import Send
from policy.status import (
    DELIVERED,
    OPEN,
    PROGRESS_OF_RECEIPT,
    TIMED_OUT,
    WAITS,
    ReceiptMode,
    SegmentState,
    Standing,
)
from schemas.status import Status
from smpp.states import FINAL_STATES
from store import timeline
from store.timeline import Entry

MOST_HISTORY: Final = 200
"""Entries above which those that change no status are not kept: a carrier may repeat a receipt for ever."""

# How far one turn of a message is. From 80 on: the final status that stopped it.
_UNSEEN: Final = 0
_SCHEDULED: Final = 10
_QUEUED: Final = 20
_DEFERRED: Final = 30
_HELD: Final = 31
_FINAL: Final = Status.DELIVERED
_STATUS_OF_STAGE: Final = {
    _UNSEEN: Status.QUEUED,
    _SCHEDULED: Status.SCHEDULED,
    _QUEUED: Status.QUEUED,
    _DEFERRED: Status.SCHEDULED,
    _HELD: Status.HELD,
}


def turn_of(attempt: int, hop: int) -> int:
    """Attempt and hop as one number that grows with both."""
    return attempt << 16 | hop


class Progress:
    """See the module. `kept`: how many of `entries` the row has already; the others are to be appended."""

    __slots__ = (
        "cancel",
        "doubts",
        "duplicate",
        "entries",
        "filled",
        "kept",
        "sends",
        "stage",
        "stop_code",
        "timed_out",
        "turn",
        "updated_ms",
        "verdicts",
    )

    def __init__(self, kept: Sequence[Entry] = ()) -> None:
        self.entries: list[Entry] = []
        self.sends: list[Send] = []
        self.turn = 0
        self.stage = _UNSEEN
        self.stop_code = ""
        self.doubts: list[Entry] = []
        self.verdicts: list[tuple[int, str]] = []
        """When and what was decided about a message in doubt."""
        self.cancel = False
        self.timed_out = False
        self.duplicate = False
        self.updated_ms = 0
        self.filled: tuple[int, int, int, str] = (0, 0, 0, "")
        """Which copy of the message the row's columns are from: the newest turn, of its repeats the first."""
        for entry in kept:
            self._learn(entry)
        self.kept = len(self.entries)

    @property
    def fresh(self) -> list[Entry]:
        """The entries to append."""
        return self.entries[self.kept :]

    def _learn(self, entry: Entry) -> None:
        kind = entry[0]
        if kind == timeline.QUEUED:
            self.queued(*entry[1:])
        elif kind in (timeline.SENT, timeline.REFUSED):
            self.sent(*entry[1:])
        elif kind == timeline.RECEIPT:
            self.receipt(*entry[1:], force=True)
        else:
            self.event(entry)

    def _note(self, entry: Entry, at_ms: int) -> None:
        self.entries.append(entry)
        self.updated_ms = at_ms if at_ms > self.updated_ms else self.updated_ms

    def _reach(self, turn: int, stage: int, code: str = "") -> None:
        if turn > self.turn or (turn == self.turn and self.stage < _FINAL and stage > self.stage):
            self.turn = turn
            self.stage = stage
            self.stop_code = code

    def queued(self, at_ms: int, attempt: int, hop: int, carrier: str, duplicate: int) -> bool:
        """A copy of the message is in a lane's queue. True when the row's columns are to be taken from it."""
        entry = (timeline.QUEUED, at_ms, attempt, hop, carrier, duplicate)
        return self._copied(entry, attempt << 16 | hop, _QUEUED)

    def _copied(self, entry: Entry, turn: int, stage: int) -> bool:
        if entry in self.entries:
            return False
        at_ms = entry[1]
        self._note(entry, at_ms)
        self._reach(turn, stage)
        if entry[-1]:
            self.duplicate = True
        return self.fill(turn, stage, at_ms, entry[4])

    def fill(self, turn: int, stage: int, at_ms: int, carrier: str) -> bool:
        """A copy of the message is at hand. True when the row's columns are to be taken from it."""
        version = (turn, stage, -at_ms, carrier)
        if version <= self.filled:
            return False
        self.filled = version
        return True

    def sent(
        self,
        at_ms: int,
        attempt: int,
        hop: int,
        carrier: str,
        offset: int,
        submitted_ms: int,
        duplicate: int,
        parts: Sequence[str],
        code: str = "",
        carrier_status: int = 0,
        retry_at_ms: int = 0,
    ) -> int:
        """The carrier answered. Gives the submit's number; of a record that stands twice in Kafka, ~number of the first."""
        head = (at_ms, attempt, hop, carrier, offset, submitted_ms)
        if self.sends:
            answers = [entry[1:7] for entry in self.entries if entry[0] in (timeline.SENT, timeline.REFUSED)]
            if head in answers:
                return ~answers.index(head)
        turn = attempt << 16 | hop
        if code:
            self._note((timeline.REFUSED, *head, duplicate, parts, code, carrier_status, retry_at_ms), at_ms)
            refusal = Standing(Status.FAILED, code, carrier_status or None)
        else:
            self._note((timeline.SENT, *head, duplicate, parts), at_ms)
            refusal = None
        self.sends.append(Send(turn, carrier, at_ms, submitted_ms, parts, refusal, retry_at_ms))
        self._reach(turn, _QUEUED)
        self.timed_out = False
        if duplicate:
            self.duplicate = True
        return len(self.sends) - 1

    def receipt(
        self, at_ms: int, send: int, part: int, state: int, error: str, done_ms: int, *, force: bool = False
    ) -> bool:
        """What a receipt says of segment `part` (from 1) of submit number `send`. False when it says nothing new."""
        states = self.sends[send].states
        known = states.get(part)
        further = known is None or PROGRESS_OF_RECEIPT[state] > PROGRESS_OF_RECEIPT[known.state]
        if not further:
            assert known is not None
            # History: another final state. The same again, or a step back, tells nothing.
            tells = state in FINAL_STATES and state != known.state and len(self.entries) < MOST_HISTORY
            entry = (timeline.RECEIPT, at_ms, send, part, state, error, done_ms)
            if not force and (not tells or entry in self.entries):
                return False
            self._note(entry, at_ms)
            return True
        self._note((timeline.RECEIPT, at_ms, send, part, state, error, done_ms), at_ms)
        states[part] = SegmentState(state, error, at_ms)
        return True

    def event(self, entry: Entry) -> bool:
        """Everything else. False for what is known already."""
        if entry in self.entries:
            return False
        kind = entry[0]
        if kind == timeline.SCHEDULED:
            return self._copied(entry, turn_of(entry[2], entry[3]), _SCHEDULED)
        if kind == timeline.DUPLICATE and len(self.entries) >= MOST_HISTORY:
            return False
        self._note(entry, entry[1])
        if kind == timeline.IN_DOUBT:
            self._doubt(entry)
        elif kind == timeline.DEFERRED:
            self._reach(turn_of(entry[2], entry[3]), _DEFERRED)
        elif kind == timeline.STOPPED:
            self._reach(turn_of(entry[2], entry[3]), entry[5], entry[6])
        elif kind == timeline.UNKNOWN:
            self.timed_out = True
        elif kind == timeline.CANCEL_ASKED:
            self.cancel = True
        elif kind == timeline.RESOLVED:
            self.verdicts.append((entry[1], entry[2]))
            self.duplicate = self.duplicate or entry[2] == "resend"
        return True

    def _doubt(self, entry: Entry) -> None:
        self.doubts.append(entry)
        turn, action = turn_of(entry[2], entry[3]), entry[5]
        if action == "dropped":
            self._reach(turn, Status.FAILED, "dropped_in_doubt")
        elif action == "held":
            self._reach(turn, _HELD)
        elif action == "resending":
            self.duplicate = True

    def resolution(self, doubt: Entry) -> tuple[int, str] | None:
        """When and how an entry of `doubts` ended; None while it lasts.

        An answer to the same turn ends it, if it did not come clearly before, and so do an answer to any later turn and
        what was decided since.
        """
        turn, at_ms = turn_of(doubt[2], doubt[3]), doubt[1]
        ends = [
            (send.at_ms, "refused" if send.refusal else "sent")
            for send in self.sends
            if send.turn > turn or (send.turn == turn and send.at_ms + CLOCK_SKEW_MS >= at_ms)
        ]
        ends += [
            (other[1], "dropped")
            for other in self.doubts
            if other[5] == "dropped" and turn_of(other[2], other[3]) >= turn
        ]
        ends += [verdict for verdict in self.verdicts if verdict[0] >= at_ms]
        return min(ends, default=None)

    @property
    def in_doubt(self) -> bool:
        """It may have been sent, and nothing has ended the doubt."""
        return bool(self.doubts) and any(self.resolution(doubt) is None for doubt in self.doubts)

    def verdict(self) -> tuple[int, str] | None:
        """What was decided about the newest doubt, and when; None when nothing was, or the message has moved on since."""
        if not self.verdicts or not self.doubts:
            return None
        newest = max(self.doubts, key=lambda doubt: (turn_of(doubt[2], doubt[3]), doubt[1]))
        last = max(self.verdicts)
        return last if last[0] >= newest[1] and turn_of(newest[2], newest[3]) >= self.turn else None

    def unlisted_repeat(self) -> bool:
        """Two submits were accepted, the first was not known to have failed before the second, and fewer doubts were
        listed than that takes: a repeat that nobody decided on."""
        if len(self.sends) < 2:
            return False
        accepted = sorted(
            (send for send in self.sends if send.refusal is None), key=lambda send: (send.submitted_ms, send.turn)
        )
        repeats = sum(not first.failed_before(second.submitted_ms) for first, second in itertools.pairwise(accepted))
        return repeats > len(self.doubts)

    def standing(self, modes: Mapping[str, ReceiptMode]) -> Standing:
        """Status and error as policy.status has it. `modes`: which segments each carrier sends receipts for."""
        newest = 0
        failure: Standing | None = None
        failed_last = (0, 0)
        is_open = False
        for send in self.sends:
            found = send.standing(modes)
            if found is DELIVERED:
                return DELIVERED
            newest = send.turn if send.turn > newest else newest
            if found is OPEN:
                is_open = True
            elif failure is None or (send.turn, send.submitted_ms) > failed_last:
                failure, failed_last = found, (send.turn, send.submitted_ms)
        if self.stage >= _FINAL:
            return Standing(Status(self.stage), self.stop_code or None)
        verdict = self.verdict()
        if is_open or (verdict is not None and verdict[1] == "sent"):
            return TIMED_OUT if self.timed_out else OPEN
        if verdict is not None and verdict[1] == "drop":
            return Standing(Status.FAILED, "dropped_in_doubt")
        if failure is not None and newest >= self.turn:
            return WAITS if self._retry_at() and not self.cancel else failure
        if self.cancel and self.stage != _QUEUED:
            return Standing(Status.CANCELED, "canceled")
        return Standing(_STATUS_OF_STAGE[self.stage])

    @property
    def ever_due(self) -> bool:
        """The scheduler may have been told to look at it."""
        return bool(self.doubts) or any(send.retry_at_ms for send in self.sends)

    def _retry_at(self) -> int:
        """When the newest submit, which failed, is tried again; 0: never."""
        newest = max(self.sends, key=lambda send: (send.turn, send.submitted_ms))
        return newest.retry_at_ms

    def due(self, standing: Standing) -> tuple[int, str] | None:
        """When the scheduler is to look at the message, and why; None when it need not."""
        if standing.status >= Status.SENT:
            return None
        verdict = self.verdict()
        if verdict is not None and verdict[1] == "resend":
            return verdict[0], "resolved"
        if standing is WAITS:
            return self._retry_at(), "retry"
        if self.stage == _SCHEDULED:
            return self._not_before(), "scheduled"
        turn = self.turn
        for entry in reversed(self.entries):
            if entry[0] == timeline.DEFERRED and turn_of(entry[2], entry[3]) == turn:
                return entry[5], "deferred"
            if entry[0] == timeline.IN_DOUBT and entry[5] == "waiting" and turn_of(entry[2], entry[3]) == turn:
                return (entry[7], "waiting") if self.resolution(entry) is None else None
        return None

    def _not_before(self) -> int:
        asked = [entry for entry in self.entries if entry[0] == timeline.RESCHEDULED]
        if asked:
            newest: int = max(asked, key=lambda entry: entry[1])[2]
            return newest
        return max((entry[5] for entry in self.entries if entry[0] == timeline.SCHEDULED), default=0)
