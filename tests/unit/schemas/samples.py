"""One record of each kind, with no field at its default and no two fields alike: what the golden files are made from.

A field that is added to a record gets its value here, and the script of tests/unit/schemas/golden.py writes the next version.
"""

from __future__ import annotations

from schemas.records import (
    Account,
    Act,
    ApiKey,
    BatchAccepted,
    BatchSwitch,
    Blocked,
    Canceled,
    Cancellation,
    CarrierSwitch,
    ContentRead,
    DeadLetter,
    Deferred,
    Duplicate,
    Expired,
    Extras,
    InDoubt,
    LaneStatus,
    MoMessage,
    MtMessage,
    Receipt,
    Record,
    Rerouted,
    Rescheduled,
    Resolved,
    Scheduled,
    SubmitOutcome,
    Unreadable,
    Verdict,
)

ID = bytes.fromhex("019a0c4506c078789aabbccddeeff001")
BATCH = bytes.fromhex("019a0c4506c0787f9aabbccddeeff0ff")
INDEX = bytes(range(16))
ACCOUNT_INDEX = bytes(range(16, 32))
AT_MS = 1_790_000_000_123
HEAD = {"id": ID, "cls": 2, "offset": 70_001, "at_ms": AT_MS, "lane": 3, "attempt": 4, "hop": 5}
ACT = Act("ops@example", "a reason", AT_MS + 9)

MESSAGE = MtMessage(
    id=ID,
    account="shop",
    cls=1,
    carrier="alpha",
    sealed=b"\x01\x02sealed",
    index=ACCOUNT_INDEX,
    accepted_ms=AT_MS,
    expires_ms=AT_MS + 300_000,
    segments=2,
    mode=3,
    alphabet=4,
    max_segments=5,
    price_micros=32_000,
    currency="EUR",
    client_ref="o-1",
    batch=BATCH,
    body_hash=b"\xaa" * 8,
    attempt=6,
    hop=7,
    tried=("beta", "gamma"),
    possible_duplicate=True,
    test=True,
    not_before_ms=AT_MS + 60_000,
    extras=Extras("c-1", ("x", "y"), {"k": "v"}, "https://example.org/cb", (Verdict("quiet", "1", "allow", "none"),)),
)

SAMPLES: tuple[Record, ...] = (
    MESSAGE,
    SubmitOutcome(
        **HEAD,
        submitted_ms=AT_MS - 5,
        code="carrier_busy",
        status=0x14,
        parts=("a1", ""),
        keys=("161", ""),
        check=0x7ABC,
        possible_duplicate=True,
        retry_at_ms=AT_MS + 60_001,
        retry_elsewhere=True,
    ),
    Receipt(AT_MS, 3, "0A1B", ("a1b", "2587"), 2, "001", AT_MS - 1000, INDEX, 0x7ABC, b"\x01raw"),
    InDoubt(**HEAD, action="waiting", reason="no_answer", index=INDEX, until_ms=AT_MS + 600_000),
    Duplicate(**HEAD),
    Expired(**HEAD),
    Canceled(**HEAD, code="batch_canceled"),
    Blocked(**HEAD, code="account_suspended", message=MESSAGE),
    Deferred(**HEAD, until_ms=AT_MS + 1, code="batch_paused"),
    Rerouted(**HEAD, to="beta", price_micros=41_000, segments=2),
    Unreadable(2, 70_001, AT_MS, 3, "not msgpack", ID),
    Scheduled(MESSAGE),
    BatchAccepted(BATCH, "shop", "autumn", 10, 8, 2, AT_MS, False),
    Resolved(ACT, ID, "shop", "resend"),
    Rescheduled(ACT, ID, "shop", AT_MS + 7),
    ContentRead(ACT, ID, "shop"),
    MoMessage(ID, "alpha", 3, AT_MS, "shop", b"\x01sealed", INDEX, "10690000"),
    ApiKey(ACT, "k1", "shop", b"\x5a" * 32, ("send", "read"), True, "till", AT_MS + 1),
    Account(ACT, "shop", True, 50, 100_000),
    CarrierSwitch(ACT, "alpha", "paused", 250, AT_MS + 3_600_000, AT_MS + 7_200_000),
    BatchSwitch(ACT, BATCH, "shop", "canceled"),
    Cancellation(ACT, ID, "shop"),
    LaneStatus("alpha", 3, "throttled", AT_MS, "d-1", "a detail", 12.5, (1, 2, 3)),
    DeadLetter("mt.alpha.otp", 7, 70_001, AT_MS, "not msgpack", INDEX, b"\xc1"),
)
