"""How many messages of our batches are final, asked of the API: for runs that are shown no Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import httpx

from load.options import Options
from runtime.errors import ConfigError

_FINAL: Final = frozenset({"delivered", "undelivered", "expired", "failed", "blocked", "canceled"})
_AT_ONCE: Final = 8


class Batches:
    """Batches whose end is waited for. One that is final is not asked again."""

    def __init__(self, options: Options, ids: Sequence[str]) -> None:
        """Raises ConfigError when there is none: single messages can't be counted this way."""
        if options.mode == "single":
            raise ConfigError("--wait-final has nobody to ask", "give --postgres DSN or the recorder's --metrics URL")
        headers = {"Authorization": f"Bearer {options.key}"}
        self._client = httpx.AsyncClient(base_url=options.urls[0], headers=headers, timeout=options.timeout_s)
        self._open = list(ids)
        self._done = 0

    async def final(self) -> int:
        """Messages that are final. Raises ConfigError when the key may not read."""
        counts: dict[str, tuple[int, int]] = {}
        for start in range(0, len(self._open), _AT_ONCE):
            some = self._open[start : start + _AT_ONCE]
            counts |= dict(zip(some, await asyncio.gather(*map(self._count, some)), strict=True))
        over = [batch for batch, (final, accepted) in counts.items() if accepted and final >= accepted]
        total = self._done + sum(final for final, _ in counts.values())
        self._done += sum(counts[batch][0] for batch in over)
        self._open = [batch for batch in self._open if batch not in set(over)]
        return total

    async def _count(self, batch: str) -> tuple[int, int]:
        """(final, accepted) of one batch; zeros while it can't be told."""
        try:
            answer = await self._client.get(f"/v1/batches/{batch}")
        except httpx.HTTPError:
            return 0, 0
        if answer.status_code in (401, 403):
            raise ConfigError("--wait-final: the key may not read", "use one with the scope read, or --postgres DSN")
        if answer.status_code != 200:
            return 0, 0
        told = answer.json()
        return sum(number for status, number in told["counts"].items() if status in _FINAL), told["accepted"]

    async def close(self) -> None:
        await self._client.aclose()
