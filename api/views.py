"""Answers of the read side: rows as clients see them. Numbers are masked and texts left out unless `read:content` asks."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from api.answers import MessageAccepted, Shape, accepted_body
from policy.outcomes import OUTCOMES, Mender, OutcomeCode
from runtime.logs import logger
from schemas.ids import rfc3339, to_text
from schemas.records import BatchSwitch
from schemas.sealing import Content, Sealer, SealError, masked
from store.rows import Attempt, BatchRow, Event, MessageRow

log = logger("api.views")


class MessageFault(Shape):
    """Why a message did not arrive. `mender`: who can do something about it."""

    code: str
    title: str
    detail: str
    permanent: bool
    retryable: bool
    mender: Mender
    carrier_status: str | None = Field(description="command_status of the refusal.", examples=["0x0000000B"])
    carrier_error: str | None = Field(description="The error that the carrier's receipt told.", examples=["034"])


class MessageSummary(MessageAccepted):
    """A message as it stands."""

    is_final: bool
    updated_at: str
    possible_duplicate: bool
    in_doubt: bool
    error: MessageFault | None
    to: str | None = Field(description="Masked without the scope `read:content`.", examples=["+861380****000"])
    sender: str | None
    text: str | None = Field(description="Null without the scope `read:content`.")
    batch_id: str | None
    campaign_id: str | None
    tags: list[str]
    metadata: dict[str, str]


class PartView(Shape):
    """One segment of an attempt. `state`: of its receipt, null while there is none."""

    part: int
    smsc_message_id: str
    state: str | None = Field(examples=["DELIVRD"])


class AttemptView(Shape):
    """One submit of a message."""

    n: int
    carrier: str
    parts: list[PartView]


class EventView(Shape):
    """One line of a timeline."""

    at: str
    type: str
    data: dict[str, Any]


class MessageView(MessageSummary):
    """A message with all that happened to it."""

    attempts: list[AttemptView]
    timeline: list[EventView]


class MessagePage(Shape):
    """Newest first. `next_cursor`: null on the last page."""

    data: list[MessageSummary]
    next_cursor: str | None


class BatchView(Shape):
    """A batch, and how many of its messages stand where. `complete`: false while a stream is under way, or after it broke."""

    batch_id: str
    name: str
    total: int
    accepted: int
    rejected: int
    accepted_at: str
    complete: bool
    counts: dict[str, int] = Field(description="Messages by status.")
    state: Literal["active", "paused", "canceled"]


class BatchStanding(Shape):
    """What was switched last. `state` holds in every process within two seconds."""

    batch_id: str
    state: Literal["active", "paused", "canceled"]
    actor: str | None
    reason: str | None
    at: str | None


def _content(row: MessageRow, sealer: Sealer, full: bool) -> dict[str, str | None]:
    """`to`, `sender` and `text`; all null when no key of ours opens them, or only an outcome is there so far."""
    content = opened(sealer, row.id, row.sealed) if row.sealed else None
    if content is None:
        return {"to": None, "sender": None, "text": None}
    return _full(content) if full else _masked(content)


def opened(sealer: Sealer, id: bytes, sealed: bytes) -> Content | None:
    """What was sealed; None when no key of ours opens it, which the log tells."""
    try:
        return sealer.open(id, sealed)
    except SealError as fault:
        log.warning("content_not_opened", message=to_text(id), fault=str(fault))
        return None


def _full(content: Content) -> dict[str, str | None]:
    return {"to": "+" + content.destination, "sender": content.sender, "text": content.text}


def _masked(content: Content) -> dict[str, str | None]:
    # A short code or a name is public, a long number may be somebody's.
    personal = content.sender.isdigit() and len(content.sender) > 8
    return {
        "to": masked(content.destination),
        "sender": masked(content.sender) if personal else content.sender,
        "text": None,
    }


def _summary(row: MessageRow, sealer: Sealer, full: bool) -> dict[str, Any]:
    return {
        **accepted_body(row),
        **_content(row, sealer, full),
        "status": row.status.label,
        "is_final": row.status.is_final,
        "updated_at": rfc3339(row.updated_ms),
        "possible_duplicate": row.possible_duplicate,
        "in_doubt": row.in_doubt,
        "error": _fault(row),
        "batch_id": None if row.batch is None else to_text(row.batch),
        "campaign_id": row.campaign,
        "tags": list(row.tags),
        "metadata": row.metadata,
    }


def _fault(row: MessageRow) -> MessageFault | None:
    if row.error_code is None:
        return None
    # A code that is not in the table: a newer release wrote it.
    known = OUTCOMES.get(row.error_code) or OutcomeCode(row.error_code, row.error_code, "", False, False, "operator")
    status = None if row.carrier_status is None else f"0x{row.carrier_status:08X}"
    return MessageFault(**known._asdict(), carrier_status=status, carrier_error=row.carrier_error)


def summary_of(row: MessageRow, sealer: Sealer, full: bool) -> MessageSummary:
    """One line of a list. `full`: with number and text."""
    return MessageSummary.model_validate(_summary(row, sealer, full))


def view_of(row: MessageRow, sealer: Sealer, full: bool) -> MessageView:
    """One message with attempts and timeline. `full`: with number and text."""
    return MessageView.model_validate(
        {
            **_summary(row, sealer, full),
            "attempts": [_attempt(attempt) for attempt in row.attempts],
            "timeline": [_event(event) for event in row.timeline],
        }
    )


def _attempt(attempt: Attempt) -> AttemptView:
    parts = [
        PartView(part=part.part, smsc_message_id=part.smsc_message_id, state=part.state or None)
        for part in attempt.parts
    ]
    return AttemptView(n=attempt.number, carrier=attempt.carrier, parts=parts)


def _event(event: Event) -> EventView:
    return EventView(at=rfc3339(event.at_ms), type=event.type, data=event.data)


def standing_of(batch: bytes, switch: BatchSwitch | None) -> BatchStanding:
    return BatchStanding(
        batch_id=to_text(batch),
        state=switch.state if switch else "active",
        actor=switch.act.actor if switch else None,
        reason=switch.act.reason if switch else None,
        at=rfc3339(switch.act.at_ms) if switch else None,
    )


def batch_view(row: BatchRow, switch: BatchSwitch | None) -> BatchView:
    return BatchView(
        batch_id=to_text(row.id),
        name=row.name,
        total=row.total,
        accepted=row.accepted,
        rejected=row.rejected,
        accepted_at=rfc3339(row.accepted_ms),
        complete=row.complete,
        counts={status.label: count for status, count in row.counts.items()},
        state=switch.state if switch else "active",
    )
