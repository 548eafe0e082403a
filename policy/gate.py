"""The gate: may this message go now? Asked at acceptance, at release by the scheduler, and immediately before submit.

Pure. Today: time to live, cancellation of the message or its batch, a paused batch, a suspended account.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from schemas.records import MtMessage


class Go(NamedTuple):
    """Send it."""


class Drop(NamedTuple):
    """Never send it. `code`: one of policy.outcomes."""

    code: str


class Defer(NamedTuple):
    """Not now: ask again at `until_ms` (Unix milliseconds; 0: when whatever holds it changes)."""

    until_ms: int
    code: str


Decision = Go | Drop | Defer
GO: Final = Go()
_EXPIRED: Final = Drop("expired")
_CANCELED: Final = Drop("canceled")
_BATCH_CANCELED: Final = Drop("batch_canceled")
_SUSPENDED: Final = Drop("account_suspended")
_BATCH_PAUSED: Final = Defer(0, "batch_paused")


@dataclass(slots=True)
class Facts:
    """What the gate must know, from the `reference` topic. `quiet` is kept true while there is nothing to check.

    Cancellations and batches are kept by (id, account): they are taken without asking whose the id is while Postgres is
    away, so one account's word must never touch, or replace, what holds for another's.
    """

    canceled: set[tuple[bytes, str]] = field(default_factory=set)
    batches: dict[tuple[bytes, str], Literal["paused", "canceled"]] = field(default_factory=dict)
    suspended: set[str] = field(default_factory=set)
    quiet: bool = True

    def settle(self) -> None:
        """Call after a change."""
        self.quiet = not (self.canceled or self.batches or self.suspended)


def gate(message: MtMessage, facts: Facts, now_ms: int) -> Decision:
    """The decision for one message at Unix milliseconds `now_ms`."""
    if now_ms >= message.expires_ms:
        return _EXPIRED
    if facts.quiet:
        return GO
    if (message.id, message.account) in facts.canceled:
        return _CANCELED
    if message.account in facts.suspended:
        return _SUSPENDED
    state = facts.batches.get((message.batch, message.account)) if message.batch is not None else None
    if state is None:
        return GO
    return _BATCH_CANCELED if state == "canceled" else _BATCH_PAUSED
