"""What others may know of our lanes: gauges for Prometheus, and `carrier-status` for the api, the CLI and the console."""

from __future__ import annotations

import time
from collections import Counter
from typing import Final

from bus.ports import Publisher
from dispatcher.group import CarrierGroup
from dispatcher.runner import LaneRunner
from runtime.metrics import QUEUE_DEPTH, QUEUE_OLDEST
from schemas.classes import CLASS_NAMES
from schemas.codec import encode
from schemas.records import LaneStatus

REFRESH_MS: Final = 30_000
"""An unchanged status is written again this often, so that a silent one shows as stale."""


class StatusBoard:
    """Publishes a lane's status when it changes."""

    def __init__(self, topic: str, instance: str, publisher: Publisher) -> None:
        self._topic = topic
        self._instance = instance
        self._publisher = publisher
        self._shown: dict[tuple[str, int], tuple[LaneStatus, int]] = {}

    def show(self, group: CarrierGroup, now_ms: int) -> None:
        """Gauges and status of one carrier's lanes here."""
        carrier = group.carrier.name
        depth: Counter[int] = Counter()
        oldest: dict[int, int] = {}
        for number, runner in group.lanes.items():
            runner.tally.flush(runner.lane)
            behind = runner.lag()
            queued = []
            for cls in range(len(CLASS_NAMES)):
                waiting = behind[cls] + runner.lane.backlog.depth(cls)
                queued.append(waiting)
                depth[cls] += waiting
                since = runner.lane.backlog.oldest_ms(cls)
                if since:
                    oldest[cls] = min(since, oldest.get(cls, since))
            self._publish(self._status(carrier, number, runner, tuple(queued), now_ms), now_ms)
        for cls, name in enumerate(CLASS_NAMES):
            QUEUE_DEPTH.labels(carrier, name).set(depth[cls])
            QUEUE_OLDEST.labels(carrier, name).set(max(0, now_ms - oldest[cls]) / 1000 if cls in oldest else 0)

    def _status(
        self, carrier: str, number: int, runner: LaneRunner, queued: tuple[int, ...], now_ms: int
    ) -> LaneStatus:
        bind = runner.binder.state
        word = bind.word if runner.lane.active or bind.word != "bound" else "taking"
        if word == "bound" and runner.lane.pace.throttled:
            word = "throttled"
        since_ms = now_ms - round((time.monotonic() - bind.since) * 1000)
        return LaneStatus(
            carrier, number, word, since_ms, self._instance,  # type: ignore[arg-type]  # the binder's words are these
            runner.fault or bind.detail, round(runner.lane.pace.rate, 1), queued,
        )  # fmt: skip

    def _publish(self, status: LaneStatus, now_ms: int) -> None:
        place = (status.carrier, status.lane)
        before = self._shown.get(place)
        if before is not None and now_ms < before[1] + REFRESH_MS and _same(before[0], status):
            return
        if self._publisher.waiting_s() > 2:
            return  # Kafka is away: don't pile up what is stale when it is back
        self._shown[place] = (status, now_ms)
        key = f"{status.carrier}/{status.lane}".encode()
        self._publisher.publish(self._topic, 0, [(key, encode(status))], lambda _fault: None)


def _same(one: LaneStatus, other: LaneStatus) -> bool:
    """Queues move all the time: only an empty one that fills, or the other way round, is news."""
    facts = (one.state, one.detail, one.rate_tps, tuple(map(bool, one.queued)))
    return facts == (other.state, other.detail, other.rate_tps, tuple(map(bool, other.queued)))
