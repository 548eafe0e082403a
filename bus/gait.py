"""When the next fetch is sent: at once, or after a moment in which more comes together. Pure."""

from __future__ import annotations

from typing import Final

_FEW: Final = 8
"""Records of a fetch that was not worth waiting for."""
_QUICK_S: Final = 0.012
_QUICK_FETCHES: Final = 4


class Gait:
    """How long after a fetch that brought something the next one is sent. While records come one by one: just long enough for
    what was published together. While they stream a fetch gathers for longer."""

    def __init__(self, settle_s: float, gather_s: float) -> None:
        self._settle_s = settle_s
        self._gather_s = gather_s
        self.gathers = False
        self._last_s = 0.0
        self._quick = 0

    def pause_s(self, records: int, now: float, *, full: bool = False) -> float:
        """A fetch brought so many records; `full`: about as much as one may bring."""
        if self.gathers:
            self.gathers = records >= _FEW
            self._quick = 0
        else:
            self._quick = self._quick + 1 if records and now - self._last_s < _QUICK_S else 0
            self.gathers = self._quick >= _QUICK_FETCHES
        self._last_s = now
        if full or not records:
            return 0.0
        return self._gather_s if self.gathers else self._settle_s
