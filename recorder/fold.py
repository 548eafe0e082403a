"""Folds a batch in memory: what it says of each message goes into one draft, what Postgres knows comes in, and out come
the rows to write. Pure but for the order of its steps, which `recorder.projector` drives:

gather → match (receipts against submissions of the batch) → lookup_keys, add_found (those that need Postgres) → ids,
apply (what Postgres knows of the messages) → rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from policy.matching import CLOCK_SKEW_MS, Candidate, choose
from policy.status import PROGRESS_OF_RECEIPT, ReceiptMode, Standing
from recorder.batches import Batch, Incoming
from recorder.doubts import Doubts
from recorder.drafts import Draft, Submission, entry_of
from schemas.classes import CLASS_NAMES
from schemas.ids import DAY_MS
from schemas.records import Cancellation, InDoubt, Receipt, Rescheduled, Resolved, SubmitOutcome, Unreadable
from schemas.status import Status
from smpp.states import MessageState
from store import packing, timeline
from store.packing import clean
from store.timeline import Entry
from store.transaction import Found, Row, Stored

_DELIVERED: Final = int(Status.DELIVERED)
_SENT: Final = int(Status.SENT)
_SCHEDULED: Final = int(Status.SCHEDULED)
_UNKNOWN: Final = int(MessageState.UNKNOWN)


@dataclass(slots=True)
class Rows:
    """What one transaction writes of messages. By day, where a table has daily partitions."""

    new: dict[int, list[Row]] = field(default_factory=dict)
    replaced: dict[int, list[tuple[bytes, int]]] = field(default_factory=dict)
    changes: dict[int, list[Row]] = field(default_factory=dict)
    submissions: dict[int, list[bytes]] = field(default_factory=dict)
    matched: list[Incoming] = field(default_factory=list)
    unmatched: list[Incoming] = field(default_factory=list)
    nameless: list[Incoming] = field(default_factory=list)
    """Receipts without any id."""
    doubts: Doubts = field(default_factory=Doubts)
    due: list[tuple[bytes, int, str, int, int]] = field(default_factory=list)
    """Messages that the scheduler is to look at: id, when, why, attempt, hop."""
    not_due: list[tuple[bytes]] = field(default_factory=list)
    finals: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    """Milliseconds from acceptance of messages that became final, by class and carrier."""
    earliest_submits: dict[str, int] = field(default_factory=dict)
    """The earliest submit of each carrier."""


class Fold:
    """One batch. `modes`: for which segments each carrier sends receipts."""

    def __init__(self, modes: Mapping[str, ReceiptMode]) -> None:
        self._modes = modes
        self.drafts: dict[bytes, Draft] = {}
        self._by_day: dict[int, list[bytes]] = {}
        # Submissions of this batch by carrier and key; a list where a key is there more than once.
        self._fresh: dict[str, dict[str, Submission | list[Submission]]] = {}
        self._found: dict[tuple[str, str], list[Submission]] = {}
        self._certain: list[tuple[Incoming, Submission | None]] = []
        """Receipts in order; None where the submission must be chosen."""
        self._nameless: list[Incoming] = []
        self._submit_days: set[int] = set()

    def _draft(self, id: bytes, cls: int, carrier: str) -> Draft:
        draft = self.drafts.get(id)
        if draft is None:
            draft = self.drafts[id] = Draft(id, cls, carrier)
            self._by_day.setdefault(draft.day, []).append(id)
        return draft

    def gather(self, batch: Batch) -> None:
        """What the batch says, by message. Raises ValueError for an id that is none."""
        drafts = self.drafts
        for copy in batch.queued:
            message = copy.message
            draft = drafts.get(message.id) or self._draft(message.id, message.cls, message.carrier)
            draft.copies.append((copy, "queue"))
        for copy in batch.scheduled:
            self._draft(copy.message.id, copy.message.cls, copy.message.carrier).copies.append((copy, "schedule"))
        self._gather_outcomes(batch)
        entry: Entry
        for one in batch.reference:
            if isinstance(one.record, Cancellation):
                entry = (timeline.CANCEL_ASKED, one.record.act.at_ms, one.record.act.actor)
                self._draft(one.record.id, 0, "").entries.append(entry)
        for _, act in batch.acts:
            at_ms, actor = act.act.at_ms, act.act.actor
            if isinstance(act, Resolved):
                entry = (timeline.RESOLVED, at_ms, act.action, actor)
            elif isinstance(act, Rescheduled):
                entry = (timeline.RESCHEDULED, at_ms, act.not_before_ms, actor)
            else:
                continue
            self._draft(act.id, 0, "").entries.append(entry)

    def _gather_outcomes(self, batch: Batch) -> None:
        drafts, index = self.drafts, self._index
        for carrier, outcome in batch.outcomes:
            if isinstance(outcome, SubmitOutcome):
                draft = drafts.get(outcome.id) or self._draft(outcome.id, outcome.cls, carrier)
                draft.outcomes.append((carrier, outcome, index(carrier, outcome)))
            elif not (isinstance(outcome, Unreadable) and not outcome.id):
                assert not isinstance(outcome, Receipt)
                draft = self._draft(outcome.id, outcome.cls, carrier)
                draft.entries.append(entry_of(carrier, outcome))
                if isinstance(outcome, InDoubt):
                    draft.listed.append((carrier, outcome))
        for blocked, copy in batch.blocked:
            draft = self._draft(blocked.id, blocked.cls, copy.message.carrier if copy else "")
            draft.entries.append(entry_of(draft.carrier, blocked))
            if copy is not None:
                draft.copies.append((copy, "nowhere"))

    def _index(self, carrier: str, outcome: SubmitOutcome) -> list[Submission]:
        fresh = self._fresh.get(carrier)
        if fresh is None:
            fresh = self._fresh[carrier] = {}
        self._submit_days.add(outcome.submitted_ms // DAY_MS)
        found = []
        for part, key in enumerate(outcome.keys or outcome.parts, 1):
            submission = Submission(outcome.id, carrier, key, part, outcome.check, outcome.submitted_ms)
            found.append(submission)
            if key:
                same = fresh.setdefault(key, submission)
                if same is not submission:
                    fresh[key] = [*same, submission] if isinstance(same, list) else [same, submission]
        return found

    def submit_days(self) -> set[int]:
        """The days of the batch's submits."""
        return self._submit_days

    def submission_keys(self) -> list[str]:
        """The keys of this batch's submissions: parked receipts may wait for them."""
        return [clean(key) for fresh in self._fresh.values() for key in fresh]

    def match(self, receipts: Iterable[Incoming]) -> None:
        """Receipts in the order in which they count. One that fits a submission of the batch needs no look-up."""
        for incoming in receipts:
            receipt = incoming.receipt
            keys = receipt.keys
            if not keys or not keys[0]:
                self._nameless.append(incoming)
                continue
            fresh = self._fresh.get(incoming.name.carrier)
            found = fresh.get(keys[0]) if fresh is not None else None
            if (
                isinstance(found, Submission)
                and found.submitted_ms <= receipt.at_ms + CLOCK_SKEW_MS
                and (found.check == receipt.check or not receipt.check)
            ):
                self._certain.append((incoming, found))
            else:
                self._certain.append((incoming, None))

    def lookup_keys(self, days_back: int = 1, days_ahead: int = 0) -> dict[int, list[str]]:
        """Keys to look for in Postgres, by day of the submit: that of the receipt and the one before."""
        wanted: dict[int, list[str]] = {}
        for incoming, submission in self._certain:
            if submission is None:
                day = incoming.receipt.at_ms // DAY_MS
                for back in range(-days_ahead, days_back + 1):
                    wanted.setdefault(day - back, []).extend([clean(key) for key in incoming.receipt.keys if key])
        return wanted

    def add_found(self, found: Sequence[Found]) -> None:
        """Submissions that Postgres has."""
        for one in found:
            submission = Submission(one.id, one.carrier, one.key, one.part, one.check, one.submitted_ms, one.send)
            self._found.setdefault((one.carrier, one.key), []).append(submission)
            self._draft(one.id, 0, one.carrier)

    def ids(self) -> dict[int, list[bytes]]:
        """The messages of the batch by day of acceptance."""
        return self._by_day

    def apply(self, stored: Sequence[Stored]) -> Rows:
        """Everything together. Raises ValueError, struct.error for what no row can hold."""
        drafts = self.drafts
        for one in stored:
            drafts[one.id].recall(one)
        for draft in drafts.values():
            draft.apply()
        rows = Rows(nameless=self._nameless)
        self._apply_receipts(rows)
        for draft in drafts.values():
            if draft.changed:
                self._add_row(rows, draft)
            for submission in draft.segments:
                self._add_submission(rows, submission)
        return rows

    def _apply_receipts(self, rows: Rows) -> None:
        drafts = self.drafts
        for incoming, submission in self._certain:
            chosen = submission or self._choose(incoming)
            if chosen is None:
                rows.unmatched.append(incoming)
                continue
            receipt = incoming.receipt
            state = receipt.state if receipt.state in PROGRESS_OF_RECEIPT else _UNKNOWN
            drafts[chosen.id].progress.receipt(
                receipt.at_ms, chosen.send, chosen.part, state, receipt.error, receipt.done_ms
            )
            if incoming.tries >= 0:
                rows.matched.append(incoming)

    def _choose(self, incoming: Incoming) -> Submission | None:
        receipt, carrier = incoming.receipt, incoming.name.carrier
        fresh = self._fresh.get(carrier, {})
        candidates = []
        seen = set()
        for rank, key in enumerate(receipt.keys):
            own = fresh.get(key, ())
            for submission in (
                *(own if isinstance(own, list | tuple) else (own,)),
                *self._found.get((carrier, clean(key)), ()),
            ):
                place = (submission.id, submission.send, submission.part)
                sends = self.drafts[submission.id].progress.sends
                if place in seen or submission.send >= len(sends):
                    continue
                seen.add(place)
                known = sends[submission.send].states.get(submission.part)
                is_final = known is not None and MessageState(known.state).is_final
                candidates.append((Candidate(rank, submission.check, submission.submitted_ms, is_final), submission))
        return choose(candidates, receipt.at_ms, receipt.check)

    def _add_row(self, rows: Rows, draft: Draft) -> None:
        stored = draft.stored
        day = draft.day
        if stored is None or draft.copy is not None:
            standing, packed = draft.row(self._modes)
            rows.new.setdefault(day, []).append((draft.id, packed))
            if stored is not None:
                rows.replaced.setdefault(day, []).append((draft.id, stored.rev))
        else:
            standing, packed = draft.change(self._modes)
            rows.changes.setdefault(day, []).append((draft.id, packed))
        progress = draft.progress
        # Once: when it becomes final, or when what was final is found to be a message, with its time of acceptance.
        if standing.status >= _DELIVERED and (stored is None or stored.status < _DELIVERED or not stored.filled):
            accepted_ms = draft.accepted_ms
            if accepted_ms:
                label = (CLASS_NAMES[draft.cls], draft.carrier)
                rows.finals.setdefault(label, []).append(progress.updated_ms - accepted_ms)
        if progress.doubts or len(progress.sends) > 1:
            rows.doubts.settle(draft)
        self._add_due(rows, draft, standing)

    @staticmethod
    def _add_due(rows: Rows, draft: Draft, standing: Standing) -> None:
        stored, progress = draft.stored, draft.progress
        due = progress.due(standing) if standing.status < _SENT else None
        if due is not None:
            rows.due.append((draft.id, *due, progress.turn >> 16, progress.turn & 0xFFFF))
        elif stored is not None and (stored.status == _SCHEDULED or progress.ever_due):
            rows.not_due.append((draft.id,))

    @staticmethod
    def _add_submission(rows: Rows, submission: Submission) -> None:
        at_ms = submission.submitted_ms
        packed = packing.pack_submission(
            at_ms, submission.id, submission.send, submission.part, submission.check, submission.carrier, submission.key
        )
        rows.submissions.setdefault(at_ms // DAY_MS, []).append(packed)
        carrier = submission.carrier
        if at_ms < rows.earliest_submits.get(carrier, at_ms + 1):
            rows.earliest_submits[carrier] = at_ms
