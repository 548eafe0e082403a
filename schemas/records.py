"""The records in Kafka: msgspec structs as msgpack arrays, each with a number (its tag) that names kind and version.

Rules of change: new fields only at the end and with a default; never a new meaning for an old field; a change that old
readers would misread is a new struct with a new tag. Readers are deployed before writers. `tests/unit/schemas/golden`
holds the bytes of every version that was ever written.

Times are Unix milliseconds, `offset` is that of the message's record in `mt.<carrier>.<class>`, money is in millionths
of the currency's unit.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec


class Record(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What all records share: immutable values, no cycles."""


class Verdict(Record, frozen=True):
    """What one compliance rule said of a message at acceptance."""

    rule: str
    version: str
    decision: str
    code: str = ""


class Extras(Record, frozen=True):
    """What most messages do without. None in `MtMessage.extras` when all is at its default."""

    campaign: str | None = None
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] | None = None
    callback_url: str | None = None
    verdicts: tuple[Verdict, ...] = ()


class MtMessage(Record, frozen=True, tag=1):
    """One message to submit: the value of `mt.<carrier>.<class>`. Its key is the destination's service-wide index."""

    id: bytes
    account: str
    cls: int
    carrier: str
    sealed: bytes
    """Destination, sender and text (schemas.sealing)."""
    index: bytes
    """The destination's blind index of this account."""
    accepted_ms: int
    expires_ms: int
    segments: int
    """As told in the 202; each lane encodes for its own carrier."""
    mode: int
    """What was asked for: smpp.text.modes.Mode."""
    alphabet: int
    """What the 202 told: smpp.text.modes.Alphabet."""
    max_segments: int
    price_micros: int
    currency: str
    client_ref: str | None = None
    batch: bytes | None = None
    body_hash: bytes | None = None
    """Of the request, when it had an Idempotency-Key."""
    attempt: int = 1
    hop: int = 0
    tried: tuple[str, ...] = ()
    possible_duplicate: bool = False
    test: bool = False
    not_before_ms: int = 0
    extras: Extras | None = None


class SubmitOutcome(Record, frozen=True, tag=16):
    """The carrier answered every segment of a message."""

    id: bytes
    cls: int
    offset: int
    at_ms: int
    lane: int
    attempt: int
    hop: int
    submitted_ms: int
    """When the first segment was written."""
    code: str
    """Empty when accepted, else a code of policy.outcomes."""
    status: int
    """command_status of the first refused segment, 0 when none was."""
    parts: tuple[str, ...]
    """The SMSC's id of each segment, as sent; "" where it gave none."""
    keys: tuple[str, ...] | None = None
    """The canonical form of each part's id, where it differs from the part."""
    check: int = 0
    """schemas.sealing.check_of the destination's index."""
    possible_duplicate: bool = False
    retry_at_ms: int = 0
    """When the scheduler is to send it again, as attempt + 1; 0: never."""
    retry_elsewhere: bool = False
    """The next attempt should try another carrier of the route, if it has one."""


class Receipt(Record, frozen=True, tag=17):
    """A delivery receipt, as durable as its acknowledgement says."""

    at_ms: int
    lane: int
    smsc_message_id: str
    keys: tuple[str, ...]
    """Canonical ids to look for: the carrier's own form first, then what `message_id_form = "auto"` allows."""
    state: int
    """smpp.states.MessageState."""
    error: str = ""
    """The carrier's error text or network_error_code."""
    done_ms: int = 0
    index: bytes = b""
    """Service-wide blind index of the destination; empty when it could not be read."""
    check: int = 0
    raw: bytes = b""
    """Sealed (associated data: b"receipt"), only when the id or the state could not be read."""


InDoubtAction = Literal["resending", "waiting", "held", "dropped"]
InDoubtReason = Literal["owner_lost", "bind_lost", "no_answer"]


class InDoubt(Record, frozen=True, tag=18):
    """A message may or may not have been sent. `resending` leaves its record open, the others settle it."""

    id: bytes
    cls: int
    offset: int
    at_ms: int
    lane: int
    attempt: int
    hop: int
    action: InDoubtAction
    reason: InDoubtReason
    index: bytes = b""
    until_ms: int = 0
    """For `waiting`: when the wait for evidence ends."""


class Duplicate(Record, frozen=True, tag=19):
    """Not sent: the same (identity, attempt, hop) was sent or listed before."""

    id: bytes
    cls: int
    offset: int
    at_ms: int
    lane: int
    attempt: int
    hop: int


class Expired(Record, frozen=True, tag=20):
    """Not sent: its time to live was over."""

    id: bytes
    cls: int
    offset: int
    at_ms: int
    lane: int
    attempt: int
    hop: int


class Canceled(Record, frozen=True, tag=21):
    """Not sent: canceled by the sender, with its batch, or by an operator."""

    id: bytes
    cls: int
    offset: int
    at_ms: int
    lane: int
    attempt: int
    hop: int
    code: str = "canceled"


class Blocked(Record, frozen=True, tag=22):
    """Not sent: a rule, or the message itself (`code`). In `intake` it carries the whole message, in `outcomes` none."""

    id: bytes
    cls: int
    offset: int
    at_ms: int
    lane: int
    attempt: int
    hop: int
    code: str
    message: MtMessage | None = None


class Deferred(Record, frozen=True, tag=23):
    """Not sent now: the gate said to come back at `until_ms`. The scheduler takes it from here."""

    id: bytes
    cls: int
    offset: int
    at_ms: int
    lane: int
    attempt: int
    hop: int
    until_ms: int
    code: str


class Rerouted(Record, frozen=True, tag=24):
    """A copy with hop + 1 is in the topic of `to`, acknowledged."""

    id: bytes
    cls: int
    offset: int
    at_ms: int
    lane: int
    attempt: int
    hop: int
    to: str
    price_micros: int
    segments: int


class Unreadable(Record, frozen=True, tag=25):
    """The bytes at `offset` are in `dead-letters`: no version of us reads them, or no key of ours opens them."""

    cls: int
    offset: int
    at_ms: int
    lane: int
    reason: str
    id: bytes = b""


Outcome = (
    SubmitOutcome | Receipt | InDoubt | Duplicate | Expired | Canceled | Blocked | Deferred | Rerouted | Unreadable
)


class Scheduled(Record, frozen=True, tag=32):
    """In `intake`: a message for later."""

    message: MtMessage


class BatchAccepted(Record, frozen=True, tag=33):
    """In `intake`: what became of a batch request. A streamed one is written again with final counts."""

    id: bytes
    account: str
    name: str
    total: int
    accepted: int
    rejected: int
    at_ms: int
    complete: bool = True


class MoMessage(Record, frozen=True, tag=40):
    """A message from a handset."""

    id: bytes
    carrier: str
    lane: int
    at_ms: int
    account: str
    """Of the [[inbound]] entry, "" when no account owns the number."""
    sealed: bytes
    """Destination: the handset's number. Sender: our number. Text: what was written."""
    index: bytes
    """The handset's blind index, of the account when there is one."""
    number: str
    """Our number."""


class Act(Record, frozen=True):
    """What every reference record carries: who did it, why, when. The recorder writes the audit log from it."""

    actor: str
    reason: str
    at_ms: int


class ApiKey(Record, frozen=True, tag=48):
    """Key `key/<id>`. Only the SHA-256 of the whole secret is kept."""

    act: Act
    id: str
    account: str
    sha256: bytes
    scopes: tuple[str, ...]
    live: bool
    name: str = ""
    revoked_ms: int = 0


class Account(Record, frozen=True, tag=49):
    """Key `account/<name>`."""

    act: Act
    name: str
    suspended: bool = False
    rate_per_s: int = 0
    """Messages a second at intake; 0: no limit."""
    per_day: int = 0


class CarrierSwitch(Record, frozen=True, tag=50):
    """Key `carrier/<name>`: an operator's switch."""

    act: Act
    carrier: str
    state: Literal["active", "paused", "draining"] = "active"
    tps: int = 0
    """Contract rate to use instead of the file's; 0: the file's."""
    until_ms: int = 0
    """When `state` reverts to active by itself; 0: never."""
    tps_until_ms: int = 0
    """When `tps` reverts to the file's by itself; 0: never. Read a switch through policy.failover.in_force."""


class BatchSwitch(Record, frozen=True, tag=51):
    """Key `batch/<id>/<account>`: it holds for messages of this account only."""

    act: Act
    batch: bytes
    account: str
    state: Literal["active", "paused", "canceled"] = "active"


class Cancellation(Record, frozen=True, tag=52):
    """Key `cancel/<message id>/<account>`: it holds for a message of this account only."""

    act: Act
    id: bytes
    account: str


class Resolved(Record, frozen=True, tag=34):
    """In `intake`: what is to become of a message in doubt, by an operator or by what the scheduler learned."""

    act: Act
    id: bytes
    account: str
    action: Literal["resend", "drop", "sent"]


class Rescheduled(Record, frozen=True, tag=35):
    """In `intake`: a scheduled message gets another time."""

    act: Act
    id: bytes
    account: str
    not_before_ms: int


class ContentRead(Record, frozen=True, tag=36):
    """In `intake`: somebody was shown the text and number of a message; for the audit log."""

    act: Act
    id: bytes
    account: str


IntakeRecord = Scheduled | Blocked | BatchAccepted | Resolved | Rescheduled | ContentRead | Expired | Canceled
"""`Expired` and `Canceled` stand here for messages that were not in a lane; their `offset` is -1."""

ReferenceRecord = ApiKey | Account | CarrierSwitch | BatchSwitch | Cancellation


class LaneStatus(Record, frozen=True, tag=56):
    """In `carrier-status`, key `<carrier>/<lane>`."""

    carrier: str
    lane: int
    state: Literal["unowned", "taking", "binding", "bound", "throttled", "paused", "down"]
    since_ms: int
    instance: str
    detail: str = ""
    rate_tps: float = 0.0
    queued: tuple[int, ...] = ()


class DeadLetter(Record, frozen=True, tag=60):
    """In `dead-letters`: bytes that could not be used, and why."""

    topic: str
    partition: int
    offset: int
    at_ms: int
    reason: str
    key: bytes | None
    value: bytes


KNOWN_TAGS: Final = frozenset({1, *range(16, 26), *range(32, 37), 40, *range(48, 53), 56, 60})
