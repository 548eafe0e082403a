"""What is asked how often, and what is read from a page of metrics."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from load import probes
from load.probes import Metrics, Watch

PAGE = """\
# HELP smppd_submits_total Answers.
# TYPE smppd_submits_total counter
smppd_submits_total{carrier="alpha",status="ESME_ROK"} 5.0
smppd_submits_total{carrier="beta",status="ESME_ROK"} 2.0
smppd_submits_total{carrier="beta",status="ESME_RTHROTTLED"} 100.0
# TYPE smppd_accept_to_final_seconds histogram
smppd_accept_to_final_seconds_bucket{carrier="alpha",class="otp",le="+Inf"} 4.0
smppd_accept_to_final_seconds_count{carrier="alpha",class="otp"} 4.0
smppd_accept_to_final_seconds_sum{carrier="alpha",class="otp"} 1.5
smppd_queue_depth{carrier="alpha"} 7.0
smppd_projection_lag_seconds 0.25
process_open_fds 9.0
"""


async def test_of_a_page_only_what_a_run_is_about_is_read() -> None:
    metrics = Metrics("http://somewhere:1")
    await metrics.close()
    metrics._client = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(200, text=PAGE)))
    assert await metrics.look() == {"submitted": 7.0, "final": 4.0, "backlog": 7.0, "lag_s": 0.25}
    await metrics.close()


class Slow:
    """A probe whose answer takes 0.06 s."""

    def __init__(self, clock: SimpleNamespace, rest_s: float) -> None:
        self.rest_s = rest_s
        self.asked = 0
        self._clock = clock

    async def look(self) -> dict[str, float]:
        self._clock.now += 0.06
        self.asked += 1
        return {"final": float(self.asked)}

    async def close(self) -> None: ...


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    found = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(probes, "time", SimpleNamespace(monotonic=lambda: found.now))
    return found


async def looked(clock: SimpleNamespace, rest_s: float) -> int:
    """How often a slow probe was asked in two seconds of looking every 0.1 s."""
    slow: Any = Slow(clock, rest_s)
    watch = Watch([], [], None)
    watch._groups = [[slow]]
    ends = clock.now + 2.0
    while clock.now < ends:
        await watch.look(clock.now)
        clock.now += 0.1
    return slow.asked


async def test_counters_are_asked_again_soon_however_late_they_answer(clock: SimpleNamespace) -> None:
    assert await looked(clock, Metrics.rest_s) >= 6


async def test_rows_are_counted_seldom_when_that_takes_time(clock: SimpleNamespace) -> None:
    assert await looked(clock, probes.Postgres.rest_s) == 1
