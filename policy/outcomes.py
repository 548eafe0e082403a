"""Every outcome of a message: a stable code, a sentence, whether it is permanent, who can mend it (promise P7).

The one definition: API errors of messages, metrics, webhooks and docs/reference/outcomes.md are made from it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Mender = Literal["sender", "recipient", "carrier", "operator", "nobody"]


class OutcomeCode(NamedTuple):
    """`permanent`: the same message to the same number would fail again. `retryable`: worth another attempt."""

    code: str
    title: str
    detail: str
    permanent: bool
    retryable: bool
    mender: Mender


_TABLE = (
    OutcomeCode(
        "invalid_destination",
        "Invalid destination",
        "The carrier says that no such number exists or can be reached by SMS.",
        True,
        False,
        "sender",
    ),
    OutcomeCode(
        "invalid_sender",
        "Sender refused",
        "The carrier does not accept this sender; use one that is registered with it.",
        True,
        False,
        "sender",
    ),
    OutcomeCode(
        "invalid_message",
        "Message refused",
        "The carrier refused the content or the form of the message.",
        True,
        False,
        "sender",
    ),
    OutcomeCode(
        "message_too_long",
        "Too many segments",
        "The text needs more segments than max_segments or the carrier allows.",
        True,
        False,
        "sender",
    ),
    OutcomeCode(
        "blocked_by_carrier",
        "Blocked by the carrier",
        "A rule of the carrier (spam filter, opt-out, regulation) blocked the message.",
        True,
        False,
        "sender",
    ),
    OutcomeCode(
        "no_credit", "No credit at the carrier", "The account at the carrier is out of credit.", False, True, "operator"
    ),
    OutcomeCode(
        "not_allowed",
        "Not allowed at the carrier",
        "The bind or account may not send this; the carrier's configuration must change.",
        False,
        True,
        "operator",
    ),
    OutcomeCode(
        "carrier_busy", "Carrier busy", "The carrier was overloaded or throttled the message.", False, True, "carrier"
    ),
    OutcomeCode("carrier_error", "Carrier error", "The carrier had an internal fault.", False, True, "carrier"),
    OutcomeCode(
        "carrier_refused",
        "Refused by the carrier",
        "The carrier refused the message with a code that says no more.",
        True,
        False,
        "carrier",
    ),
    OutcomeCode(
        "absent_subscriber",
        "Handset not reachable",
        "The handset was off or out of coverage until the carrier gave up.",
        False,
        True,
        "recipient",
    ),
    OutcomeCode(
        "undelivered",
        "Not delivered",
        "The carrier could not deliver the message and said no more.",
        False,
        True,
        "recipient",
    ),
    OutcomeCode(
        "rejected",
        "Rejected after acceptance",
        "The carrier accepted the message, then rejected it.",
        True,
        False,
        "carrier",
    ),
    OutcomeCode(
        "deleted", "Deleted by the carrier", "The carrier deleted the message before delivery.", False, True, "carrier"
    ),
    OutcomeCode(
        "validity_expired",
        "Validity period over at the carrier",
        "The carrier gave up: the message's time was over.",
        False,
        False,
        "nobody",
    ),
    OutcomeCode(
        "expired",
        "Time to live over",
        "The message was not sent in the time that ttl_s allowed.",
        False,
        False,
        "sender",
    ),
    OutcomeCode("canceled", "Canceled", "The sender canceled the message before it was sent.", True, False, "sender"),
    OutcomeCode(
        "batch_canceled",
        "Batch canceled",
        "The batch of the message was canceled before it was sent.",
        True,
        False,
        "sender",
    ),
    OutcomeCode(
        "account_suspended",
        "Account suspended",
        "The account is suspended; an operator can lift it.",
        False,
        True,
        "operator",
    ),
    OutcomeCode(
        "dropped_in_doubt",
        "Dropped in doubt",
        "It is not known whether the message was sent, and the policy is not to send it again.",
        False,
        False,
        "operator",
    ),
    OutcomeCode(
        "unencodable",
        "Text can't be encoded",
        "The text has characters that the asked encoding lacks on the carrier that took it.",
        True,
        False,
        "sender",
    ),
    OutcomeCode(
        "unreadable",
        "Record unreadable",
        "The message's record could not be read or opened; it is kept in dead-letters.",
        True,
        False,
        "operator",
    ),
    OutcomeCode(
        "no_receipt",
        "No receipt",
        "The carrier sent no final receipt in time; a late one still amends this.",
        False,
        False,
        "carrier",
    ),
    OutcomeCode(
        "attempts_exhausted",
        "All attempts failed",
        "Every attempt that the retry policy allows failed.",
        False,
        False,
        "carrier",
    ),
)

OUTCOMES: dict[str, OutcomeCode] = {row.code: row for row in _TABLE}
