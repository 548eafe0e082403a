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
