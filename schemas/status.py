"""The status of a message as senders see it (DESIGN §7).

Numbers are stored in Postgres and travel in Kafka: never reuse or renumber one. A status only moves to a
larger number; a final one stays, except UNKNOWN, which a late receipt may still amend.
"""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """Where a message is. `is_final` says when it is over."""

    HELD = 5
    SCHEDULED = 10
    QUEUED = 20
    SENT = 40
    UNKNOWN = 60
    DELIVERED = 80
    UNDELIVERED = 81
    EXPIRED = 82
    FAILED = 83
    BLOCKED = 84
    CANCELED = 85

    @property
    def is_final(self) -> bool:
        return self >= Status.DELIVERED

    @property
    def label(self) -> str:
        """The name in HTTP bodies, metrics and the audit view."""
        return self.name.lower()


STATUS_BY_LABEL: dict[str, Status] = {status.label: status for status in Status}
