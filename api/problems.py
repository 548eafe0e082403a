"""Every error that the HTTP API answers, in one table: stable code, status, whether a retry helps, and the remedy.

Answers, metrics, the OpenAPI document and the pages behind `type` are all made from it. Bodies are RFC 9457.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple


class Problem(NamedTuple):
    """One kind of error. `example` is a detail as a client would see it; `retry_after_s` 0: no Retry-After."""

    code: str
    status: int
    title: str
    retryable: bool
    remedy: str
    example: str
    retry_after_s: int = 0


_TABLE: Final = (
    Problem(
        "invalid_json",
        400,
        "Body is not JSON",
        False,
        "Send one JSON object, in UTF-8; for application/x-ndjson one object a line.",
        "expected `:` at line 1 column 7",
    ),
    Problem(
        "unsupported_media_type",
        415,
        "Content type not supported",
        False,
        "Send Content-Type: application/json (POST /v1/batches takes application/x-ndjson, too).",
        "the body is announced as text/plain",
    ),
    Problem(
        "unknown_field",
        422,
        "Unknown field",
        False,
        "Leave the field out, or correct its name; GET /openapi.json lists the fields.",
        "there is no field `form`; did you mean `from`?",
    ),
    Problem("missing_field", 422, "Field missing", False, "Add the field.", "`to` is required"),
    Problem(
        "invalid_field",
        422,
        "Field not valid",
        False,
        "Correct the value; the detail tells what is allowed.",
        "`max_segments` must be 255 or less",
    ),
    Problem(
        "invalid_number",
        422,
        "Number not valid",
        False,
        "Write the number in international form, like +8613800000000.",
        "`to`: no number of its country has this length",
    ),
    Problem(
        "invalid_sender",
        422,
        "Sender not valid",
        False,
        "Use 3 to 15 digits, or 1 to 11 letters, digits, spaces and common signs.",
        "`sender`: a sender is 3 to 15 digits, or 1 to 11 letters, digits, spaces and common signs",
    ),
    Problem(
        "invalid_send_at",
        422,
        "Time not valid",
        False,
        "Write an RFC 3339 time with its zone, at most 30 days ahead; leave the field out to send now.",
        "`send_at`: 2026-05-02T08:15:30.000Z is more than 30 days ahead",
    ),
    Problem("empty_text", 422, "Text is empty", False, "Write at least one character.", "`text` is empty"),
    Problem(
        "unencodable",
        422,
        "Text can't be encoded",
        False,
        "Use encoding `auto`, or leave the character out.",
        "`text`: character 3, '☃' (U+2603), is not in the GSM alphabet: use encoding auto, or leave it out",
    ),
    Problem(
        "too_many_segments",
        422,
        "Text takes too many segments",
        False,
        "Shorten the text, or raise max_segments (255 at most).",
        "`text` takes 4 segments of ucs2, max_segments is 3",
    ),
    Problem(
        "body_too_large",
        413,
        "Body too large",
        False,
        "Send less at once, or stream with application/x-ndjson.",
        "the body is larger than 8388608 bytes",
    ),
    Problem(
        "too_many_recipients",
        422,
        "Too many recipients",
        False,
        "Split the batch, or stream it with application/x-ndjson.",
        "`messages` has 10001 entries, 10000 are allowed",
    ),
    Problem(
        "no_valid_messages",
        422,
        "No message of the batch is valid",
        False,
        "Correct the messages: `errors` tells what is wrong with the first ones.",
        "all 2 messages were rejected",
    ),
    Problem(
        "no_route",
        422,
        "No route",
        False,
        "Ask the operator for a route to this prefix and class; a test key reaches test carriers only.",
        "`to`: no carrier takes notice messages for this prefix",
    ),
    Problem(
        "unauthorized",
        401,
        "Not authenticated",
        False,
        "Send Authorization: Bearer with a key that is in force; `smpp-dispatch keys create` makes one.",
        "the key is not known, or was revoked",
    ),
    Problem(
        "forbidden",
        403,
        "Scope missing",
        False,
        "Use a key that has the scope; `smpp-dispatch keys create --scopes` makes one.",
        "the key lacks the scope `send`",
    ),
    Problem(
        "account_suspended",
        403,
        "Account suspended",
        False,
        "Ask the operator to lift the suspension.",
        "the account shop may not send at present",
    ),
    Problem("not_found", 404, "Not found", False, "Check the address and the id.", "no message has this id"),
    Problem(
        "not_visible_yet",
        404,
        "Not visible yet",
        True,
        "Ask again after Retry-After: what was accepted shows up when the read side has caught up.",
        "no message has this id so far; it may have been accepted a moment ago",
        1,
    ),
    Problem(
        "not_scheduled",
        409,
        "Message is not scheduled",
        False,
        "Only a message that waits for its `send_at` can be moved; GET /v1/messages/{id} tells where it is.",
        "the message is queued",
    ),
    Problem(
        "already_final",
        409,
        "Message is over",
        False,
        "Nothing can be changed any more; GET /v1/messages/{id} tells what became of it.",
        "the message is delivered",
    ),
    Problem(
        "batch_canceled",
        409,
        "Batch is canceled",
        False,
        "What is canceled can't be resumed; send the messages that are still wanted as a new batch.",
        "the batch was canceled at 2026-03-02T08:20:00.000Z",
    ),
    Problem(
        "not_in_doubt",
        409,
        "Message is not in doubt",
        False,
        "Leave the id out; GET /v1/in-doubt lists what can be resolved.",
        "the message is delivered, and not in doubt",
    ),
    Problem(
        "method_not_allowed",
        405,
        "Method not allowed",
        False,
        "The Allow header tells what this address takes.",
        "this address takes GET",
    ),
    Problem(
        "request_timeout",
        408,
        "Body did not come",
        True,
        "Send the body without a pause, or in smaller pieces.",
        "nothing came for 30 s",
    ),
    Problem(
        "idempotency_key_invalid",
        400,
        "Idempotency-Key not valid",
        False,
        "Use 1 to 255 visible ASCII characters, for instance a UUID.",
        "the Idempotency-Key has 300 characters, 255 are allowed",
    ),
    Problem(
        "idempotency_key_reused",
        422,
        "Idempotency-Key reused",
        False,
        "Use a new key for a new request; repeat a request with the very same body.",
        "this Idempotency-Key came with another body before",
    ),
    Problem(
        "intake_unavailable",
        503,
        "Not accepted at present",
        True,
        "Send it again after Retry-After, with an Idempotency-Key: without one a repeat is a new message, "
        "and what timed out here may still be sent.",
        "Kafka did not confirm in time; the message may still be sent",
        2,
    ),
    Problem(
        "not_recorded",
        503,
        "Not recorded",
        True,
        "Do it again after Retry-After: to repeat it is harmless. A GET tells whether it took effect.",
        "Kafka did not confirm in time; it may take effect all the same",
        2,
    ),
    Problem(
        "audit_unavailable",
        503,
        "Reading can't be audited",
        True,
        "Ask again after Retry-After, or with a key that lacks `read:content`: its answers are masked, and not audited.",
        "Kafka, which keeps who read what, did not confirm; nothing is shown",
        2,
    ),
    Problem(
        "read_unavailable",
        503,
        "Read side away",
        True,
        "Ask again after Retry-After; sending is not affected.",
        "Postgres is not reachable",
        2,
    ),
    Problem(
        "rate_limited",
        429,
        "Too many requests",
        True,
        "Send again after Retry-After, a batch in smaller parts; the RateLimit header tells what is left.",
        "the account shop may send 100 messages a second",
        1,
    ),
    Problem(
        "internal",
        500,
        "Fault of ours",
        True,
        "Repeat with the same Idempotency-Key; if it stays, give the request_id to the operator.",
        "an unexpected fault; it is in our logs under the request_id",
    ),
)

PROBLEMS: Final[Mapping[str, Problem]] = {row.code: row for row in _TABLE}
MAX_ERRORS: Final = 20
"""Most entries of `errors` in one answer."""


class FieldFault(NamedTuple):
    """What is wrong with one field. `field`: a path like `messages[3].to`, "" for the request as a whole."""

    field: str
    code: str
    detail: str


class Refusal(Exception):
    """A request, or one message of a batch, that is not served. Never without a fault; the first one gives the code."""

    def __init__(self, *faults: FieldFault, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(faults[0].detail)
        self.faults = faults
        self.headers = headers or {}
        self.counted = False
        """Its messages are in the intake metric already."""

    @property
    def code(self) -> str:
        return self.faults[0].code


def refusal(code: str, detail: str, field: str = "", headers: Mapping[str, str] | None = None) -> Refusal:
    """A Refusal with one fault. `code`: one of PROBLEMS; `detail`: what exactly is wrong, for people."""
    return Refusal(FieldFault(field, code, detail), headers=headers)


def problem_body(faults: Sequence[FieldFault], request_id: str) -> dict[str, Any]:
    """The members of application/problem+json."""
    row = PROBLEMS[faults[0].code]
    return {
        "type": f"/errors/{row.code}",
        "title": row.title,
        "status": row.status,
        "code": row.code,
        "detail": faults[0].detail,
        "remedy": row.remedy,
        "retryable": row.retryable,
        "errors": [fault._asdict() for fault in faults[:MAX_ERRORS] if fault.field],
        "request_id": request_id,
    }


def problem_headers(fault: Refusal) -> dict[str, str]:
    """Headers that belong to the problem's kind, and those of this one."""
    row = PROBLEMS[fault.code]
    headers = {"Retry-After": str(row.retry_after_s)} if row.retry_after_s else {}
    if row.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return {**headers, **fault.headers}


def row_error(faults: Sequence[FieldFault]) -> dict[str, Any]:
    """The `error` of one rejected message in a batch's results."""
    field, code, detail = faults[0]
    return {"code": code, "field": field or None, "detail": detail, "retryable": PROBLEMS[code].retryable}
