"""What a run is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mode = Literal["single", "batch", "ndjson"]


@dataclass(frozen=True)
class Options:
    """A run. Rates are messages a second. Open loop when `rate` or `steps` are given, else closed."""

    urls: tuple[str, ...]
    key: str
    mode: Mode = "batch"
    batch_size: int = 1000
    count: int | None = None
    duration_s: float | None = None
    rate: float | None = None
    steps: tuple[float, ...] = ()
    step_s: float = 30.0
    ramp_s: float = 0.0
    connections: int = 8
    idempotency: bool = True
    timeout_s: float = 15.0
    """Longest wait for an answer."""
    retry_for_s: float = 60.0
    """How long a request is repeated, from its first attempt on."""
    stream_lines: int = 100_000
    outstanding: int | None = None
    """Most messages that are under way between here and their end; None: no bound."""

    @property
    def size(self) -> int:
        """Messages of a request."""
        return 1 if self.mode == "single" else self.batch_size

    @property
    def is_open(self) -> bool:
        return self.rate is not None or bool(self.steps)
