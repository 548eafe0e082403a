"""Every metric of every role, by name, with the sentence that the docs show. No message id, number or campaign is a label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

REGISTRY: Final = CollectorRegistry(auto_describe=True)
LATENCY_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
FINAL_BUCKETS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400, 259200)

DEFINED: Final[list[MetricWrapperBase]] = []


def _counter(name: str, sentence: str, labels: Iterable[str] = ()) -> Counter:
    DEFINED.append(metric := Counter(name, sentence, labels, registry=REGISTRY))
    return metric


def _gauge(name: str, sentence: str, labels: Iterable[str] = ()) -> Gauge:
    DEFINED.append(metric := Gauge(name, sentence, labels, registry=REGISTRY))
    return metric


def _histogram(
    name: str, sentence: str, labels: Iterable[str] = (), buckets: Iterable[float] = LATENCY_BUCKETS
) -> Histogram:
    DEFINED.append(metric := Histogram(name, sentence, labels, buckets=tuple(buckets), registry=REGISTRY))
    return metric


def observe_many(histogram: Histogram, counts: Mapping[int, int], total: float) -> None:
    """Adds observations counted by bucket number (the one past the last is +Inf) and their sum: prometheus_client has no
    bulk observe, and one call each costs 1.5 µs."""
    for bucket, count in counts.items():
        histogram._buckets[bucket].inc(count)
    histogram._sum.inc(total)


# api
INTAKE = _counter(
    "smppd_intake_messages_total",
    "Messages offered by HTTP, by class and what became of the offer.",
    ("class", "outcome"),
)
ROUTE_SHARE = _gauge(
    "smppd_route_share",
    "How much of its own new traffic a carrier gets, from 0 (without binds for too long) to 1.",
    ("carrier",),
)
HTTP_SECONDS = _histogram(
    "smppd_http_request_seconds", "Time from a request's last byte to its answer.", ("route", "status")
)

# dispatcher
SUBMITS = _counter(
    "smppd_submits_total",
    "Segments answered by the carrier, by class and command_status.",
    ("carrier", "class", "status"),
)
RECEIPTS = _counter(
    "smppd_receipts_total",
    "Delivery receipts taken from the carrier, by the state that they tell.",
    ("carrier", "state"),
)
RECEIPTS_REFUSED = _counter(
    "smppd_receipts_refused_total",
    "Receipts answered with a temporary error because they could not be made durable.",
    ("carrier",),
)
MO_TOTAL = _counter("smppd_mo_messages_total", "Messages from handsets.", ("carrier",))
BIND_UP = _gauge("smppd_bind_up", "1 while the lane's bind is up.", ("carrier", "lane"))
BIND_FAILURES = _counter(
    "smppd_bind_failures_total", "Binds that failed or were lost, by reason.", ("carrier", "reason")
)
PROTOCOL_ERRORS = _counter(
    "smppd_protocol_errors_total", "What a carrier sent against the protocol, by kind.", ("carrier", "kind")
)
WINDOW_IN_USE = _gauge("smppd_window_in_use", "Segments sent and not answered yet.", ("carrier", "lane"))
LANE_RATE = _gauge(
    "smppd_lane_rate_tps", "Rate that the lane allows itself now, in segments a second.", ("carrier", "lane")
)
QUEUE_DEPTH = _gauge(
    "smppd_queue_depth",
    "Messages in Kafka that are not settled yet, of the lanes of this process.",
    ("carrier", "class"),
)
QUEUE_OLDEST = _gauge(
    "smppd_queue_oldest_seconds",
    "Age of the oldest message that this process has read and not settled.",
    ("carrier", "class"),
)
ACCEPT_TO_SUBMIT = _histogram(
    "smppd_accept_to_submit_seconds", "From the 202 to the first byte on the carrier's socket.", ("class", "carrier")
)
OPEN_RECORDS = _gauge(
    "smppd_open_records",
    "Messages below the reserved offset that are not settled: what a crash would put in doubt.",
    ("carrier", "lane"),
)
IN_DOUBT = _gauge("smppd_in_doubt", "Messages that may or may not have been sent and are not resolved.", ("carrier",))
DOUBTS = _counter(
    "smppd_doubts_total", "Messages listed as in doubt, by reason and what was done.", ("carrier", "reason", "action")
)
DUPLICATES = _counter("smppd_duplicates_total", "Repeats that the lane dropped.", ("carrier",))
TAKEOVERS = _counter(
    "smppd_takeovers_total", "Lanes taken, by whether the bind and memory were kept.", ("carrier", "kind")
)
LEDGER_COMMITS = _counter(
    "smppd_ledger_commits_total", "Offset commits of the ledger, by result.", ("carrier", "result")
)

# recorder
ACCEPT_TO_FINAL = _histogram(
    "smppd_accept_to_final_seconds", "From the 202 to a final status.", ("class", "carrier"), FINAL_BUCKETS
)
RECEIPTS_UNMATCHED = _gauge("smppd_receipts_unmatched", "Receipts kept until their submission is known.", ("carrier",))
PROJECTION_LAG = _gauge(
    "smppd_projection_lag_seconds", "Age of the oldest record at hand that Postgres does not know yet."
)
DUE_OLDEST = _gauge(
    "smppd_due_oldest_seconds", "How long the oldest message that the scheduler should have released has waited."
)
RELEASED = _counter(
    "smppd_released_messages_total", "Messages that the scheduler queued for a lane, or stopped.", ("outcome",)
)
PROJECTION_STOPPED = _gauge(
    "smppd_projection_stopped_partitions", "Partitions that wait for a release that can read their next record."
)
PROJECTION_RECORDS = _counter(
    "smppd_projection_records_total", "Kafka records projected into Postgres, by topic kind.", ("kind",)
)
PROJECTION_BATCH_SECONDS = _histogram("smppd_projection_batch_seconds", "Time of one projection transaction.")
DEAD_LETTERS = _counter(
    "smppd_dead_letters_total", "Records set aside because no version reads them, by topic kind.", ("kind",)
)

# every role
PUBLISH_SECONDS = _histogram("smppd_publish_seconds", "Time until Kafka acknowledged a flush of records.")
PUBLISH_WAITING = _gauge(
    "smppd_publish_waiting_seconds",
    "How long the oldest record has waited for Kafka's acknowledgement; 0 when none does.",
)
PUBLISHED = _counter("smppd_published_records_total", "Records acknowledged by Kafka.")
LOOP_STALL = _gauge("smppd_event_loop_stall_seconds", "Longest delay of the event loop in the last ten seconds.")
BUILD_INFO = _gauge("smppd_build_info", "Always 1; the labels tell role and version.", ("role", "version"))
