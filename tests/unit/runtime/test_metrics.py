"""The metrics that dashboards and alerts rely on exist, with the labels of CONTRACT.md."""

from __future__ import annotations

import re

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from runtime.metrics import DEFINED, FINAL_BUCKETS, LATENCY_BUCKETS, REGISTRY, observe_many

CONTRACT = {
    "smppd_intake_messages_total": ("counter", {"class", "outcome"}),
    "smppd_submits_total": ("counter", {"carrier", "class", "status"}),
    "smppd_receipts_total": ("counter", {"carrier", "state"}),
    "smppd_bind_up": ("gauge", {"carrier", "lane"}),
    "smppd_window_in_use": ("gauge", {"carrier", "lane"}),
    "smppd_queue_depth": ("gauge", {"carrier", "class"}),
    "smppd_queue_oldest_seconds": ("gauge", {"carrier", "class"}),
    "smppd_accept_to_submit_seconds": ("histogram", {"class", "carrier"}),
    "smppd_accept_to_final_seconds": ("histogram", {"class", "carrier"}),
    "smppd_in_doubt": ("gauge", {"carrier"}),
    "smppd_receipts_unmatched": ("gauge", {"carrier"}),
    "smppd_projection_lag_seconds": ("gauge", set()),
}
KNOWN = {
    f"{metric._name}_total" if metric._type == "counter" else metric._name: (metric._type, set(metric._labelnames))
    for metric in DEFINED
}


@pytest.mark.parametrize("name", CONTRACT)
def test_the_contract_s_metrics_exist_with_their_labels(name: str) -> None:
    assert KNOWN[name] == CONTRACT[name]


def test_every_metric_has_the_prefix_base_units_a_sentence_and_bounded_labels() -> None:
    allowed = {
        "carrier", "class", "lane", "status", "state", "outcome", "reason", "action", "kind", "result", "route", "role",
        "version", "mode", "cause",
    }  # fmt: skip
    for metric in DEFINED:
        assert re.fullmatch(r"smppd_[a-z0-9_]+", metric._name)
        assert not re.search(r"_(ms|milliseconds|minutes|kb)$", metric._name)
        assert metric._documentation.endswith("."), metric._name
        unbounded = {"id", "number", "to", "message", "campaign", "account", "batch", "instance"} & set(
            metric._labelnames
        )
        assert not unbounded, metric._name
        assert set(metric._labelnames) <= allowed, f"{metric._name}: is the new label bounded? Then add it here."


def test_names_are_defined_once() -> None:
    assert len(KNOWN) == len(DEFINED)
    assert all(f"# HELP {name} ".encode() in generate_latest(REGISTRY) for name in CONTRACT)


def test_buckets_ascend() -> None:
    for buckets in (LATENCY_BUCKETS, FINAL_BUCKETS):
        assert list(buckets) == sorted(set(buckets))


def test_observing_many_is_observing_each() -> None:
    registry = CollectorRegistry()
    one, many = (Histogram(name, "x.", buckets=LATENCY_BUCKETS, registry=registry) for name in ("a", "b"))
    for value in (0.0005, 0.0005, 0.02, 9999.0):
        one.observe(value)
    observe_many(many, {0: 2, 4: 1, len(LATENCY_BUCKETS): 1}, 0.0005 * 2 + 0.02 + 9999.0)
    shown = {name: _samples(registry, name) for name in ("a", "b")}
    assert shown["a"] == shown["b"]
    assert shown["a"]["bucket", "+Inf"] == shown["a"]["count", None] == 4
    assert shown["a"]["bucket", "0.001"] == 2


def _samples(registry: CollectorRegistry, name: str) -> dict[tuple[str, str | None], float]:
    return {
        (sample.name.removeprefix(f"{name}_"), sample.labels.get("le")): sample.value
        for metric in registry.collect()
        if metric.name == name
        for sample in metric.samples
        if not sample.name.endswith("_created")
    }
