"""What `top` shows, as plain data: from two readings of /metrics and the lanes' own word. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cli.top_metrics import Scrape, highest, quantile, rates, sums
from schemas.classes import CLASS_NAMES


def view(before: Sequence[Scrape], after: Sequence[Scrape], carriers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Everything on the screen. `carriers`: as cli.carriers_list has them; empty when Kafka could not be asked."""
    lag = highest(after, "smppd_projection_lag_seconds").get(())
    return {
        "intake_per_s": _one(rates(before, after, "smppd_intake_messages_total", outcome="accepted")),
        "refused_per_s": _refused(before, after),
        "submits_per_s": _one(rates(before, after, "smppd_submits_total")),
        "receipts_per_s": _one(rates(before, after, "smppd_receipts_total")),
        "projected_per_s": _one(rates(before, after, "smppd_projection_records_total")),
        "projection_lag_s": None if lag is None else round(lag, 2),
        "in_doubt": round(sum(highest(after, "smppd_in_doubt", ("carrier",)).values())),
        "receipts_unmatched": round(sum(highest(after, "smppd_receipts_unmatched", ("carrier",)).values())),
        "carriers": [_carrier(carrier, before, after) for carrier in carriers],
        "processes": [_process(one) for one in after],
    }


def _one(found: dict[tuple[str, ...], float]) -> float:
    return round(sum(found.values()), 1)


def _refused(before: Sequence[Scrape], after: Sequence[Scrape]) -> float:
    by_outcome = rates(before, after, "smppd_intake_messages_total", ("outcome",))
    return round(sum(rate for (outcome,), rate in by_outcome.items() if outcome not in ("accepted", "replayed")), 1)


def _carrier(carrier: dict[str, Any], before: Sequence[Scrape], after: Sequence[Scrape]) -> dict[str, Any]:
    name = carrier["name"]
    submits = rates(before, after, "smppd_submits_total", ("status",), carrier=name)
    waits = quantile(before, after, "smppd_accept_to_submit_seconds", 0.99, ("carrier",)).get((name,))
    depth = sums(after, "smppd_queue_depth", ("class",), carrier=name)
    oldest = highest(after, "smppd_queue_oldest_seconds", ("carrier", "class"))
    return {
        "name": name,
        "state": carrier["state"],
        "tps": carrier["tps"],
        "binds": f"{carrier['binds_up']}/{carrier['binds']}",
        "submits_per_s": _one(submits),
        "refused_per_s": _one({key: rate for key, rate in submits.items() if key != ("ESME_ROK",)}),
        "receipts_per_s": _one(rates(before, after, "smppd_receipts_total", carrier=name)),
        # The gauges move each second; the lanes' own word only when an empty queue fills or the other way round.
        "queued": {cls: round(depth.get((cls,), carrier["queued"][cls])) for cls in CLASS_NAMES},
        "oldest_s": {cls: round(oldest.get((name, cls), 0.0), 1) for cls in CLASS_NAMES},
        "accept_to_submit_p99_s": None if waits is None or math.isinf(waits) else waits,
        "in_doubt": round(highest(after, "smppd_in_doubt", ("carrier",)).get((name,), 0)),
        "lanes": [_lane(name, lane, after) for lane in carrier["lanes"]],
    }


def _lane(carrier: str, lane: dict[str, Any], after: Sequence[Scrape]) -> dict[str, Any]:
    place = (carrier, str(lane["lane"]))
    window = sums(after, "smppd_window_in_use", ("carrier", "lane")).get(place)
    opened = sums(after, "smppd_open_records", ("carrier", "lane")).get(place)
    return {
        "lane": lane["lane"],
        "state": lane["state"],
        "rate_tps": lane["rate_tps"],
        "window_in_use": None if window is None else round(window),
        "open_records": None if opened is None else round(opened),
        "instance": lane["instance"],
        "detail": lane["detail"],
    }


def _process(one: Scrape) -> dict[str, Any]:
    stall = highest([one], "smppd_event_loop_stall_seconds").get(())
    roles = sorted({labels.get("role", "") for labels, _ in one.samples.get("smppd_build_info", ())})
    return {
        "url": one.url,
        "role": ", ".join(roles) or _guessed_role(one),
        "ready": one.up and not one.fault,
        "fault": one.fault,
        "loop_stall_ms": None if stall is None else round(stall * 1000, 1),
    }


def _guessed_role(one: Scrape) -> str:
    """By what only that role counts, for a process that does not say what it is."""
    for role, name in (
        ("dispatcher", "smppd_submits_total"),
        ("recorder", "smppd_projection_records_total"),
        ("api", "smppd_intake_messages_total"),
    ):
        if one.samples.get(name):
            return role
    return ""
