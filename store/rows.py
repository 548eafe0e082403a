"""What the read side gives: rows as values, between store.reads and whoever asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from schemas.status import Status


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a message's timeline. `type` is a stable word; `data` is JSON."""

    at_ms: int
    type: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """One segment as submitted. `state` is a receipt's word (DELIVRD …), "" while there is none."""

    part: int
    smsc_message_id: str
    state: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One submit of one message."""

    number: int
    carrier: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message as Postgres knows it. `attempts` and `timeline` are filled by `get_message` only."""

    id: bytes
    account: str
    cls: int
    carrier: str
    status: Status
    sealed: bytes
    accepted_ms: int
    expires_ms: int
    updated_ms: int
    alphabet: int
    segments: int
    price_micros: int
    currency: str
    possible_duplicate: bool
    in_doubt: bool
    client_ref: str | None
    batch: bytes | None
    campaign: str | None
    tags: tuple[str, ...]
    metadata: dict[str, str]
    body_hash: bytes | None
    error_code: str | None
    carrier_status: int | None
    carrier_error: str | None
    attempts: tuple[Attempt, ...] = ()
    timeline: tuple[Event, ...] = ()
    not_before_ms: int = 0
    """When it is, or was, to be sent; 0: at once."""


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """What `list_messages` selects by; None: not by this. `until_ms` is exclusive."""

    status: Status | None = None
    cls: int | None = None
    carrier: str | None = None
    destination_index: bytes | None = None
    client_ref: str | None = None
    batch: bytes | None = None
    tag: str | None = None
    from_ms: int | None = None
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch, with its messages counted by status."""

    id: bytes
    account: str
    name: str
    total: int
    accepted: int
    rejected: int
    accepted_ms: int
    complete: bool
    counts: dict[Status, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeyedRow:
    """What the projection knows of an idempotent request's message."""

    id: bytes
    body_hash: bytes | None


@dataclass(frozen=True, slots=True)
class DoubtRow:
    """A message that may have been sent without an answer, or (reason `possible_duplicate`) one sent twice that nobody
    had listed. `account`, `status` and `client_ref` are None while only the doubt is known."""

    id: bytes
    account: str | None
    cls: int
    carrier: str
    attempt: int
    hop: int
    lane: int
    reason: str
    action: str
    at_ms: int
    until_ms: int
    status: Status | None
    client_ref: str | None
    resolved_ms: int | None = None
    """When the doubt ended; None while it lasts."""
    resolution: str | None = None
    """How it ended."""
    sent: bool | None = None
    """Whether the carrier took it after all, as an answer or a receipt told; None: nobody knows."""


@dataclass(frozen=True, slots=True)
class StandingRow:
    """Where a message stands, for decisions about it."""

    id: bytes
    account: str
    status: Status
    in_doubt: bool
    resolvable: bool
    """In doubt, and nobody is about to send it: it waits for evidence, or is held (not one that its lane is resending)."""


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What `list_audit` selects by; None: not by this. `until_ms` is exclusive."""

    kind: str | None = None
    subject: str | None = None
    actor: str | None = None
    from_ms: int | None = None
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One act. `what` is JSON: the record that it left, without secrets."""

    at_ms: int
    kind: str
    subject: str
    actor: str
    reason: str
    what: dict[str, Any]


@dataclass(frozen=True, slots=True)
class InboundRow:
    """A message from a handset. `number` is ours; theirs and the text are sealed."""

    id: bytes
    at_ms: int
    account: str
    carrier: str
    number: str
    sealed: bytes
