"""What aiokafka fetched and will not hand on is gone at once.

It drops what it has of a partition that was paused or moved meanwhile, and fetches it again later. But the records and their
iterator refer to each other, so that they stayed until the garbage collector looked, which it seldom does here
(runtime.collector): a recorder that was only queueing grew by 60 MB a minute, 3,000 fetches that nobody wanted any more.
"""

from __future__ import annotations

from typing import Any

from aiokafka.consumer.fetcher import FetchResult

_plain_check = FetchResult.check_assignment


def _check_assignment(self: Any, tp: Any) -> Any:
    records = self._partition_records
    wanted = _plain_check(self, tp)
    if not wanted and records is not None:
        records._records_iterator = None  # the other half of the circle
    return wanted


def mend() -> None:
    """For all consumers of this process."""
    FetchResult.check_assignment = _check_assignment
