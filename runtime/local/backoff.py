"""How long to wait before a child is started again: exponential, with full jitter. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """`base_s` doubles with every failure in a row, up to `cap_s`; a life of `reset_after_s` wipes the slate."""

    base_s: float = 0.2
    cap_s: float = 10.0
    reset_after_s: float = 30.0

    def failures(self, before: int, lived_s: float) -> int:
        """Failures in a row, this one included."""
        return 1 if lived_s >= self.reset_after_s else before + 1

    def delay_s(self, failures: int, draw: float) -> float:
        """`draw` is uniform in [0, 1): full jitter, so that children that died together don't all come back together."""
        # 2.0 ** 1024 overflows; no cap is that far away.
        return draw * min(self.cap_s, self.base_s * 2.0 ** min(failures - 1, 60))
