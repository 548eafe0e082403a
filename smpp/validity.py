"""validity_period of a submit_sm (SMPP 3.4 §7.1.1): until when the SMSC goes on trying."""

from __future__ import annotations

import time
from functools import lru_cache

DAY_S = 86_400
MOST_DAYS = 31
"""Months and years of a relative time have no length that both sides agree on."""


@lru_cache(maxsize=8192)
def relative(seconds: int) -> bytes:
    """So long from the SMSC's now: what clocks that disagree can't spoil. At least a second, at most 31 days."""
    days, rest = divmod(max(1, min(seconds, MOST_DAYS * DAY_S)), DAY_S)
    hours, rest = divmod(rest, 3600)
    return b"0000%02d%02d%02d%02d000R" % (days, hours, *divmod(rest, 60))


@lru_cache(maxsize=8192)
def absolute(unix_s: int) -> bytes:
    """Until a moment, in UTC; for SMSCs that read no other form."""
    return time.strftime("%y%m%d%H%M%S000+", time.gmtime(unix_s)).encode()
