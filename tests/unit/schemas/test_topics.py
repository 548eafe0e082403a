"""The topics as the design lists them."""

from __future__ import annotations

import re

from schemas.classes import CLASS_NAMES, CLASS_NUMBERS, MARKETING, NOTICE, OTP
from schemas.status import STATUS_BY_LABEL, Status
from schemas.topics import RETENTION_MS, Topics


def test_every_topic_has_the_prefix_and_a_name_that_kafka_takes() -> None:
    specs = Topics("t-1.").all([("alpha", 12), ("b" * 32, 256)])
    names = [spec.name for spec in specs]
    assert len(names) == len(set(names)) == 4 + 4 + 5
    assert all(re.fullmatch(r"t-1\.[a-z0-9._-]{1,100}", name) for name in names)
    topics = Topics("t-1.")
    assert {topics.dispatch_group("alpha"), topics.recorder_group} == {"t-1.dispatch.alpha", "t-1.recorder"}


def test_outcomes_come_before_mt_with_the_same_partitions() -> None:
    """Whoever owns a message's partition must be able to say what came of it."""
    specs = list(Topics().of_carrier("alpha", 7))
    assert [spec.name for spec in specs] == ["outcomes.alpha", "mt.alpha.otp", "mt.alpha.notice", "mt.alpha.marketing"]
    assert {spec.partitions for spec in specs} == {7}


def test_what_is_not_sent_yet_is_never_dropped_by_age_and_the_rest_outlives_two_weeks() -> None:
    for spec in Topics().all([("alpha", 12)]):
        if spec.name.startswith("mt.") or spec.compacted:
            assert spec.retention_ms == -1
        else:
            assert spec.retention_ms == RETENTION_MS == 14 * 24 * 3600 * 1000
        assert spec.compacted == (spec.name in ("reference", "carrier-status"))
        assert spec.compacted <= (spec.partitions == 1)
        assert spec.holds
        assert spec.writers
        assert spec.readers


def test_classes_are_numbered_by_urgency() -> None:
    assert (OTP, NOTICE, MARKETING) == (0, 1, 2) == tuple(CLASS_NUMBERS[name] for name in CLASS_NAMES)


def test_statuses_only_grow_towards_the_end_and_keep_their_numbers() -> None:
    """They are stored in Postgres: these numbers are for ever."""
    numbers = {
        "held": 5, "scheduled": 10, "queued": 20, "sent": 40, "unknown": 60, "delivered": 80,
        "undelivered": 81, "expired": 82, "failed": 83, "blocked": 84, "canceled": 85,
    }  # fmt: skip
    assert {label: int(status) for label, status in STATUS_BY_LABEL.items()} == numbers
    assert {status.label for status in Status if status.is_final} == {
        "delivered", "undelivered", "expired", "failed", "blocked", "canceled",
    }  # fmt: skip
