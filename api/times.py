"""Times in requests: RFC 3339 and nothing else, as Unix milliseconds, within what can be meant."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from api.problems import Refusal, refusal
from schemas.ids import DAY_MS, rfc3339

AHEAD_MS: Final = 30 * DAY_MS
"""A message may be scheduled so far ahead."""
PAST_MS: Final = 60_000
"""A time that is past by so much still means now: clocks differ, and requests take their time."""
# Not datetime.fromisoformat alone: it takes week dates, times without a zone, and a comma before the fraction.
_RFC3339: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})\Z", re.ASCII
).match


def moment_of(text: str) -> int:
    """Unix milliseconds of an RFC 3339 time. Raises ValueError, a sentence for people."""
    if _RFC3339(text) is None:
        raise ValueError("write a time with its zone, like 2026-03-02T08:15:30Z")
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        raise ValueError("there is no such day or time") from None
    return round(moment.timestamp() * 1000)


def send_at_of(text: str, now_ms: int) -> int:
    """When a message is to be sent. Raises Refusal (invalid_send_at)."""
    try:
        at_ms = moment_of(text)
    except ValueError as fault:
        raise _refused(str(fault)) from None
    if at_ms < now_ms - PAST_MS:
        raise _refused(f"{rfc3339(at_ms)} is past by more than {PAST_MS // 1000} s; it is {rfc3339(now_ms)} here")
    if at_ms > now_ms + AHEAD_MS:
        raise _refused(f"{rfc3339(at_ms)} is more than {AHEAD_MS // DAY_MS} days ahead")
    return at_ms


def until_of(text: str | None, now_ms: int) -> int:
    """When a switch reverts; 0 for none given. Raises Refusal (invalid_field)."""
    if text is None:
        return 0
    try:
        at_ms = moment_of(text)
    except ValueError as fault:
        raise refusal("invalid_field", f"`until`: {fault}", "until") from None
    if at_ms <= now_ms:
        raise refusal("invalid_field", f"`until`: {rfc3339(at_ms)} is past; it is {rfc3339(now_ms)} here", "until")
    return at_ms


def _refused(detail: str) -> Refusal:
    return refusal("invalid_send_at", f"`send_at`: {detail}", "send_at")
