"""When the next fetch is sent: at once, or after a moment in which more comes together. Pure."""

from __future__ import annotations

from typing import Final

_FEW: Final = 8
"""Records of a fetch that was not worth waiting for."""
_MANY: Final = 24
"""Records of a fetch of a stream: each fetch costs its reader and Kafka as much as some dozens of records, in what it brings about
(commits, publishing), too."""
_FLOW_PER_S: Final = 1500.0
"""Records a second from which a fetch waits for longer: a dispatcher took 0.67 of its CPU for single messages, Kafka 0.75."""
_QUICK_S: Final = 0.012
_QUICK_FETCHES: Final = 4


class Gait:
    """How long after a fetch that brought something the next one is sent. While records come one by one: `settle_s`, just long
    enough for what was published together. When they come quickly: `gather_s`; when many come each time: `stream_s`, and at
    _FLOW_PER_S and above `flow_s`."""

    def __init__(self, settle_s: float, gather_s: float, stream_s: float, flow_s: float) -> None:
        self._settle_s = settle_s
        self._gather_s = gather_s
        self._stream_s = stream_s
        self._flow_s = flow_s
        self._gathers = False
        self._last_s = 0.0
        self._quick = 0

    def pause_s(self, records: int, now: float, *, full: bool = False) -> float:
        """A fetch brought so many records; `full`: about as much as one may bring."""
        if self._gathers:
            self._gathers = records >= _FEW
            self._quick = 0
        else:
            self._quick = self._quick + 1 if records and now - self._last_s < _QUICK_S else 0
            self._gathers = self._quick >= _QUICK_FETCHES
        passed_s, self._last_s = now - self._last_s, now
        if full or not records:
            return 0.0
        if records >= _MANY:
            return self._flow_s if records >= _FLOW_PER_S * passed_s else self._stream_s
        return self._gather_s if self._gathers else self._settle_s
