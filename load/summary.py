"""A run's result as JSON, for `--json` and for those who drive the tool (bench, demo)."""

from __future__ import annotations

from typing import Any

from load.figures import Histogram
from load.run import Result


def summary(result: Result) -> dict[str, Any]:
    """Stable names; times in milliseconds, rates in messages a second."""
    figures = result.figures
    return {
        "mode": result.options.mode,
        "accepted": figures.accepted,
        "accepted_per_s": round(figures.accepted / figures.elapsed_s, 1),
        "elapsed_s": round(figures.elapsed_s, 3),
        "rejected": dict(figures.rejected),
        "unanswered": figures.unanswered,
        "unsent": figures.unsent,
        "attempts": dict(figures.attempts),
        "latency_ms": quantiles(figures.latency),
        "lateness_ms": quantiles(figures.late) if figures.late.count else None,
        "output": result.seen._asdict(),
        "final": result.final,
        "final_s": None if result.final_s is None else round(result.final_s, 3),
        "final_per_s": None if result.final_s is None else round(figures.accepted / result.final_s, 1),
        "steps": [
            {
                **verdict._asdict(),
                "accepted_per_s": round(verdict.accepted_per_s, 1),
                "output_per_s": None if verdict.output_per_s is None else round(verdict.output_per_s, 1),
                "latency_ms": quantiles(step.latency),
            }
            for verdict, step in zip(result.steps, figures.steps, strict=False)
        ],
        "sustained": None if not result.steps else all_of([verdict.sustained for verdict in result.steps]),
        "ok": result.clean and not result.behind and (result.final is None or result.final_s is not None),
    }


def all_of(verdicts: list[bool | None]) -> bool | None:
    """False if any is, else None if none can be told."""
    if False in verdicts:
        return False
    return True if True in verdicts else None


def quantiles(histogram: Histogram) -> dict[str, float]:
    """p50 to p99.9 and the most, in milliseconds."""
    points = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99_9": 0.999}
    found = {name: round(histogram.quantile(share) * 1000, 2) for name, share in points.items()}
    return {**found, "most": round(histogram.most_s * 1000, 2)}
