"""Counts of the hot path, kept in plain dictionaries and given to Prometheus once a second: an `inc()` a message would cost
as much as the message."""

from __future__ import annotations

import contextlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from dispatcher.lane import Lane
from dispatcher.slots import Token
from runtime.metrics import (
    ACCEPT_TO_SUBMIT,
    BIND_UP,
    DOUBTS,
    DUPLICATES,
    LANE_RATE,
    LATENCY_BUCKETS,
    OPEN_RECORDS,
    SUBMITS,
    WINDOW_IN_USE,
    observe_many,
)
from schemas.classes import CLASS_NAMES
from smpp.core.constants import status_name
from smpp.core.esme import Answer

_BUCKETS_MS = [bucket * 1000 for bucket in LATENCY_BUCKETS]


class Tally:
    """Of one lane."""

    def __init__(self, carrier: str, lane: int) -> None:
        self._carrier = carrier
        self._lane = str(lane)
        self._answers: Counter[tuple[int, int]] = Counter()
        self._waits: list[Counter[int]] = [Counter() for _ in CLASS_NAMES]
        self._wait_sums = [0.0] * len(CLASS_NAMES)

    def wrote(self, batch: Sequence[tuple[Token, bytes]], now_ms: int) -> None:
        """Segments that left at `now_ms`; a message counts when its first one leaves for the first time."""
        for (slot, part, epoch), _ in batch:
            message = slot.message
            if part == 0 and epoch == 0 and message is not None:
                waited = max(0, now_ms - message.accepted_ms)
                self._waits[message.cls][bisect_left(_BUCKETS_MS, waited)] += 1
                self._wait_sums[message.cls] += waited

    def answered(self, answers: Sequence[Answer[Token]]) -> None:
        counts = self._answers
        for (slot, _, _), status, _ in answers:
            counts[slot.place.cls, status] += 1

    def flush(self, lane: Lane) -> None:
        """Gives everything to Prometheus."""
        self._gauges(lane)
        for (reason, action), count in lane.outbox.doubts.items():
            DOUBTS.labels(self._carrier, reason, action).inc(count)
        lane.outbox.doubts.clear()
        if lane.outbox.duplicates:
            DUPLICATES.labels(self._carrier).inc(lane.outbox.duplicates)
            lane.outbox.duplicates = 0
        for (cls, status), count in self._answers.items():
            SUBMITS.labels(self._carrier, CLASS_NAMES[cls], status_name(status)).inc(count)
        self._answers.clear()
        for cls, counts in enumerate(self._waits):
            if counts:
                histogram = ACCEPT_TO_SUBMIT.labels(CLASS_NAMES[cls], self._carrier)
                observe_many(histogram, counts, self._wait_sums[cls] / 1000)
                counts.clear()
                self._wait_sums[cls] = 0.0

    def close(self, lane: Lane) -> None:
        """The last figures; then the gauges of a lane that is no longer ours go, lest they tell of it for ever."""
        self.flush(lane)
        for gauge in (WINDOW_IN_USE, LANE_RATE, OPEN_RECORDS, BIND_UP):
            with contextlib.suppress(KeyError):
                gauge.remove(self._carrier, self._lane)

    def _gauges(self, lane: Lane) -> None:
        WINDOW_IN_USE.labels(self._carrier, self._lane).set(lane.out)
        LANE_RATE.labels(self._carrier, self._lane).set(lane.pace.rate)
        OPEN_RECORDS.labels(self._carrier, self._lane).set(lane.reservations.open)
