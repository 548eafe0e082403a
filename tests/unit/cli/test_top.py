"""`top`: rates over processes, resets, quantiles, and what the screen is made of."""

from __future__ import annotations

import io
import math
from typing import Any

import httpx
import pytest
from rich.console import Console

from cli.top import metrics_urls
from cli.top_metrics import Scrape, highest, parsed, quantile, rates, scrape, sums
from cli.top_screen import screen
from cli.top_view import view
from runtime.errors import ConfigError
from runtime.settings import load_settings


def reading(url: str, at: float, text: str) -> Scrape:
    return Scrape(url, at, True, "", parsed(text))


def counter(value: float, status: str = "ESME_ROK") -> str:
    return (
        f'# TYPE smppd_submits counter\nsmppd_submits_total{{carrier="alpha",class="otp",status="{status}"}} {value}\n'
    )


def test_rates_add_up_over_processes() -> None:
    before = [reading("a", 10, counter(100)), reading("b", 10, counter(5))]
    after = [reading("a", 12, counter(300)), reading("b", 12, counter(25))]
    assert rates(before, after, "smppd_submits_total", ("carrier",)) == {("alpha",): 110.0}


def test_a_process_that_started_anew_counts_from_nought() -> None:
    found = rates([reading("a", 10, counter(1000))], [reading("a", 11, counter(30))], "smppd_submits_total")
    assert found == {(): 30.0}


def test_a_process_that_was_not_there_before_has_no_rate() -> None:
    assert rates([], [reading("a", 11, counter(30))], "smppd_submits_total") == {}


def test_labels_select() -> None:
    both = [reading("a", 1, counter(3) + counter(4, "ESME_RTHROTTLED").split("\n", 1)[1])]
    assert sums(both, "smppd_submits_total", status="ESME_RTHROTTLED") == {(): 4.0}
    assert sums(both, "smppd_submits_total") == {(): 7.0}


def test_of_a_gauge_that_several_tell_the_highest_counts() -> None:
    up = 'smppd_bind_up{{carrier="alpha",lane="0"}} {}\n'
    scrapes = [reading("old owner", 1, up.format(0)), reading("owner", 1, up.format(1))]
    assert highest(scrapes, "smppd_bind_up", ("carrier", "lane")) == {("alpha", "0"): 1.0}


def histogram(fast: int, slow: int, over: int) -> str:
    rows = [("0.1", fast), ("1.0", fast + slow), ("+Inf", fast + slow + over)]
    lines = [f'smppd_accept_to_submit_seconds_bucket{{carrier="alpha",le="{le}"}} {count}' for le, count in rows]
    return "# TYPE smppd_accept_to_submit_seconds histogram\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("added", "bound"), [((100, 0, 0), 0.1), ((98, 2, 0), 1.0), ((0, 0, 5), math.inf), ((0, 0, 0), None)]
)
def test_a_quantile_is_of_what_came_between_the_readings(added: tuple[int, int, int], bound: float | None) -> None:
    before = [reading("a", 0, histogram(1000, 1000, 1000))]
    after = [reading("a", 1, histogram(*(1000 + count for count in added)))]
    found = quantile(before, after, "smppd_accept_to_submit_seconds", 0.99, ("carrier",))
    assert found.get(("alpha",)) == bound


async def test_a_process_that_does_not_answer_says_why() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        found = await scrape(client, "http://a")
    assert (found.up, found.fault) == (False, "refused")


async def test_a_process_that_is_not_ready_says_why() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/metrics":
            return httpx.Response(200, text=counter(1))
        return httpx.Response(503, text="kafka: away\nlanes: none\n")

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        found = await scrape(client, "http://a")
    assert (found.up, found.fault) == (True, "kafka: away; lanes: none")


def test_addresses_come_from_the_option_or_from_the_settings() -> None:
    settings = load_settings({"SMPPD_HTTP_PORT": "8080", "SMPPD_METRICS_PORT": "9100"})
    assert metrics_urls([], settings) == ["http://127.0.0.1:8080", "http://127.0.0.1:9100"]
    assert metrics_urls(["h:1/metrics,http://i:2/", "h:1"], settings) == ["http://h:1", "http://i:2"]
    with pytest.raises(ConfigError):
        metrics_urls(["ftp://h"], settings)


LANE: dict[str, Any] = {
    "lane": 0, "state": "bound", "since": None, "instance": "d1", "detail": "", "rate_tps": 250.0,
    "queued": {"otp": 0, "notice": 0, "marketing": 3}, "heard_s": 1.0,
}  # fmt: skip
CARRIER: dict[str, Any] = {
    "name": "alpha", "test": True, "state": "active", "tps": 500, "binds": 2, "binds_up": 1, "queued": LANE["queued"],
    "lanes": [LANE, {**LANE, "lane": 1, "state": "silent", "detail": "no dispatcher has said anything for 200 s"}],
}  # fmt: skip


def test_the_view_prefers_what_processes_say_now() -> None:
    text = (
        'smppd_queue_depth{carrier="alpha",class="marketing"} 77\nsmppd_window_in_use{carrier="alpha",lane="0"} 9\n'
        "smppd_projection_lag_seconds 1.25\n"
        '# TYPE smppd_intake_messages counter\nsmppd_intake_messages_total{class="otp",outcome="intake_unavailable"} '
    )
    before = [reading("a", 0, counter(0) + text + "0\n")]
    after = [reading("a", 2, counter(100) + text + "4\n")]
    shown = view(before, after, [CARRIER])
    assert (shown["submits_per_s"], shown["refused_per_s"], shown["projection_lag_s"]) == (50.0, 2.0, 1.25)
    (carrier,) = shown["carriers"]
    assert (carrier["binds"], carrier["queued"]["marketing"], carrier["submits_per_s"]) == ("1/2", 77, 50.0)
    assert [lane["window_in_use"] for lane in carrier["lanes"]] == [9, None]
    assert [process["role"] for process in shown["processes"]] == ["dispatcher"]


def test_the_screen_shows_lanes_processes_and_what_could_not_be_had() -> None:
    out = io.StringIO()
    shown = view([], [Scrape("http://a", 1.0, False, "refused", {})], [CARRIER])
    Console(file=out, width=160, color_system=None).print(screen(shown, ["no answer from http://a"]))
    told = out.getvalue()
    for expected in (
        "alpha",
        "silent",
        "no dispatcher has said anything for 200 s",
        "refused",
        "no answer from http://a",
        "3",
    ):
        assert expected in told
