"""What a probe tells: steps with their times, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cli.probe_verdict import WELL, Verdict


class Step(NamedTuple):
    """One line of the report."""

    name: str
    ok: bool
    ms: float
    detail: str

    def line(self) -> str:
        return f"  {self.name:<13}{self.ms:9.1f} ms  {'' if self.ok else 'FAILED: '}{self.detail}".rstrip()


@dataclass(slots=True)
class Report:
    """All steps, and what they mean."""

    carrier: str
    stack: str
    steps: list[Step] = field(default_factory=list)
    verdict: Verdict = WELL
    refused_deliveries: int = 0

    @property
    def well(self) -> bool:
        return self.verdict.fault == "nobody"

    def as_json(self) -> dict[str, Any]:
        return {
            "carrier": self.carrier,
            "stack": self.stack,
            "well": self.well,
            "fault": self.verdict.fault,
            "verdict": self.verdict.what,
            "refused_deliveries": self.refused_deliveries,
            "steps": [step._asdict() for step in self.steps],
        }


class StepFailed(Exception):
    """Ends the probe with a verdict."""

    def __init__(self, detail: str, verdict: Verdict) -> None:
        super().__init__(detail)
        self.detail = detail
        self.verdict = verdict
