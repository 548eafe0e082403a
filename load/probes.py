"""What came out at the other end, asked of those whom the operator named: simulators, /metrics, Postgres. Counts are given
from the start of the run, so other traffic at the same time counts in.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from typing import Any, Final, Protocol

import asyncpg
import httpx
from prometheus_client.parser import text_string_to_metric_families

from load.figures import Seen
from runtime.errors import UnavailableError

_TIMEOUT_S: Final = 5.0
_DUTY: Final = 0.03
"""Share of time that a probe may take: counting rows is work for the very Postgres that is measured."""
_SOON_S: Final = 0.2
"""But one that only reads counters is asked again after this at the latest: it answers late because the machine is busy,
and a sender who waits for its word (`outstanding`) would let the machine stand idle meanwhile."""
_FINAL: Final = """
select count(*), count(*) filter (where is_final), count(*) filter (where status = 'delivered') from audit_messages
"""


class Probe(Protocol):
    """One source. `look` gives counts since the very beginning, by the names of Seen. `rest_s`: the longest it is left alone."""

    rest_s: float

    async def look(self) -> dict[str, float]:
        """Raises OSError, httpx.HTTPError, asyncpg.PostgresError, TimeoutError when it can't be had now."""
        ...

    async def close(self) -> None: ...


class Simulator:
    """GET /stats of a simulator."""

    rest_s = _SOON_S

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, timeout=_TIMEOUT_S)

    async def look(self) -> dict[str, float]:
        stats: dict[str, Any] = (await self._client.get("/stats")).raise_for_status().json()
        return {"submitted": stats["accepted"], "receipts": stats["receipts"]["acked"]}

    async def close(self) -> None:
        await self._client.aclose()


class Metrics:
    """/metrics of a role; those of several are added, but for the lag, of which the worst counts."""

    rest_s = _SOON_S

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(timeout=_TIMEOUT_S)
        self._url = url if url.endswith("/metrics") else f"{url.rstrip('/')}/metrics"

    async def look(self) -> dict[str, float]:
        text = (await self._client.get(self._url)).raise_for_status().text
        seen: dict[str, float] = {}
        # A page has hundreds of lines, and the parser takes its time with each.
        wanted = "".join([line for line in text.splitlines(keepends=True) if line.startswith(_NAMES)])
        for family in text_string_to_metric_families(wanted):
            for sample in family.samples:
                name = _METRICS.get(sample.name)
                if name is not None and _counts(sample.name, sample.labels):
                    seen[name] = seen.get(name, 0.0) + sample.value
        return seen

    async def close(self) -> None:
        await self._client.aclose()


_METRICS: Final = {
    "smppd_submits_total": "submitted",
    "smppd_receipts_total": "receipts",
    "smppd_accept_to_final_seconds_count": "final",
    "smppd_queue_depth": "backlog",
    "smppd_projection_lag_seconds": "lag_s",
}
_NAMES: Final = tuple(_METRICS)


def _counts(name: str, labels: dict[str, str]) -> bool:
    return name != "smppd_submits_total" or labels.get("status") in ("ESME_ROK", "ok", "0", "0x00000000")


class Postgres:
    """Rows of the auditors' view."""

    rest_s = math.inf

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._session: Any = None

    async def look(self) -> dict[str, float]:
        if self._session is None or self._session.is_closed():
            self._session = await asyncpg.connect(self._dsn, timeout=_TIMEOUT_S)
        rows, final, delivered = await self._session.fetchrow(_FINAL, timeout=60)
        return {"rows": rows, "final": final, "delivered": delivered}

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close(timeout=_TIMEOUT_S)


class Watch:
    """All probes of a run. What several tell is added; what Postgres tells outranks what /metrics tells."""

    def __init__(self, simulators: Sequence[str], metrics: Sequence[str], dsn: str | None) -> None:
        # In this order: later groups outrank earlier ones.
        self._groups: list[list[Probe]] = [
            [Metrics(url) for url in metrics],
            [Simulator(url) for url in simulators],
            [Postgres(dsn)] if dsn else [],
        ]
        self._found: dict[Probe, dict[str, float]] = {}
        self._base: dict[Probe, dict[str, float]] = {}
        self._rest_until: dict[Probe, float] = {}
        self.faults: dict[str, str] = {}
        """What could not be asked, by kind of probe; told once at the end."""

    @property
    def tells_final(self) -> bool:
        """Whether somebody counts messages that are over."""
        return bool(self._groups[2]) or bool(self._groups[0])

    async def begin(self) -> None:
        """The counts that the run starts from. Raises UnavailableError when somebody does not answer."""
        await self._look_at_all(math.inf)
        if self.faults:
            kind, fault = next(iter(self.faults.items()))
            raise UnavailableError(f"{kind} can't be asked ({fault})", "correct the address, or leave it out")
        self._base = dict(self._found)

    async def look(self, now: float | None = None) -> Seen:
        """What is known now; who was asked a moment ago, or is slow, is not asked again (None: everybody is)."""
        await self._look_at_all(math.inf if now is None else now)
        seen: dict[str, float] = {}
        for group in self._groups:
            told: dict[str, float] = {}
            for probe in group:
                for name, value in self._since(probe).items():
                    told[name] = max(told.get(name, 0.0), value) if name == "lag_s" else told.get(name, 0.0) + value
            seen |= told
        lag_s = seen.get("lag_s")
        return Seen(
            **{name: round(seen[name]) for name in Seen._fields if name in seen and name != "lag_s"},
            lag_s=lag_s,
        )

    def _since(self, probe: Probe) -> dict[str, float]:
        base = self._base.get(probe, {})
        # Gauges are what they are; a counter that went back belongs to a process that was started anew.
        return {
            name: value if name in ("lag_s", "backlog") or value < base.get(name, 0.0) else value - base.get(name, 0.0)
            for name, value in self._found.get(probe, {}).items()
        }

    async def _look_at_all(self, now: float) -> None:
        due = [probe for group in self._groups for probe in group if now >= self._rest_until.get(probe, 0.0)]
        await asyncio.gather(*(self._ask(probe) for probe in due))

    async def _ask(self, probe: Probe) -> None:
        began = time.monotonic()
        kind = type(probe).__name__
        try:
            self._found[probe] = await probe.look()
            self.faults.pop(kind, None)
        except (OSError, httpx.HTTPError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as fault:
            self.faults[kind] = str(fault) or type(fault).__name__
        ended = time.monotonic()
        self._rest_until[probe] = ended + min((ended - began) / _DUTY, probe.rest_s)

    async def close(self) -> None:
        """Ends the connections."""
        for group in self._groups:
            for probe in group:
                await probe.close()
