"""What was fetched of a partition that is paused meanwhile is kept until it is resumed.

aiokafka throws it away, to fetch it again: lanes and recorders, which pause and resume all the time, fetched much of what they
read twice. And what it throws away stays in memory until the garbage collector looks: the records and their iterator refer to
each other (a recorder that was only queueing grew by 60 MB a minute, 3,000 fetches that nobody wanted any more).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiokafka.consumer.fetcher import FetchResult


def _check_assignment(self: Any, _tp: Any) -> bool:
    """Whether its records may be handed on now; those that never will be are dropped."""
    records, assignment = self._partition_records, self._assignment
    if assignment.active and records is not None:
        state = assignment.state_value(self._topic_partition)
        if state.has_valid_position and state.position == records.next_fetch_offset:
            return not state.paused
    if records is not None:
        records._records_iterator = None  # breaks the circle
        self._partition_records = None
    return False


def mend() -> None:
    """For all consumers of this process."""
    FetchResult.check_assignment = _check_assignment


def hand_on(consumer: Any, partitions: Iterable[Any]) -> None:
    """After a resume: who waits for records hears of those that were kept."""
    fetcher = consumer._fetcher
    if any(tp in fetcher._records for tp in partitions):
        for waiter in list(fetcher._fetch_waiters):
            fetcher._notify(waiter)
