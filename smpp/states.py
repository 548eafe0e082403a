"""message_state (SMPP 3.4 §5.2.28): what a receipt says of its message. Text receipts map to the same numbers."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class MessageState(IntEnum):
    """The numbers travel in records: never renumber one."""

    SCHEDULED = 0  # SMPP 5.0; some 3.4 carriers send it
    ENROUTE = 1
    DELIVRD = 2
    EXPIRED = 3
    DELETED = 4
    UNDELIV = 5
    ACCEPTD = 6
    UNKNOWN = 7
    REJECTD = 8
    SKIPPED = 9  # SMPP 5.0

    @property
    def is_final(self) -> bool:
        """UNKNOWN is not: the carrier says only that it does not know."""
        return self in FINAL_STATES


FINAL_STATES: Final = frozenset(
    {
        MessageState.DELIVRD,
        MessageState.EXPIRED,
        MessageState.DELETED,
        MessageState.UNDELIV,
        MessageState.REJECTD,
        MessageState.SKIPPED,
    }
)
