"""What the demo breaks, and how it looks whether that was mended."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from typing import Any, Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from dev.up import Cluster

_TAKEOVER_TIMEOUT_S: Final = 45.0
_POLL_S: Final = 0.1
Say = Callable[[str], None]


class Faults:
    """Breaks things in a running cluster; `log` is what CONTRACT calls `faults` in var/demo.json. Times: since `began`."""

    def __init__(self, cluster: Cluster, say: Say) -> None:
        self._cluster = cluster
        self._say = say
        self._client = httpx.AsyncClient(timeout=5)
        self.began = time.monotonic()
        self.log: list[dict[str, Any]] = []

    async def close(self) -> None:
        await self._client.aclose()

    async def drop_bind(self, carrier: str) -> None:
        """One bind ends at a submit that it has taken and not answered. Waits until the carrier has all its binds again."""
        at = time.monotonic()
        url = f"{self._cluster.control_url}/faults/disconnect"
        answer = await self._client.post(url, json={"carrier": carrier, "mode": "before_response", "times": 1})
        answer.raise_for_status()
        self._say(f"one bind of {carrier} drops in the middle of a submit: nobody knows whether that was taken")
        wanted = next(each.lanes for each in self._cluster.plan.carriers if each.name == carrier)
        # The drop itself comes with the next submit.
        await asyncio.sleep(0.2)
        await self._until(lambda: self._binds(carrier), wanted)
        self._tell("bind dropped", at, f"{carrier} has its {wanted} binds again", carrier=carrier)

    async def kill_dispatcher(self, name: str) -> None:
        """kill -9. It is kept down until the others have taken over its lanes, then it may come back."""
        at = time.monotonic()
        supervisor, plan = self._cluster.supervisor, self._cluster.plan
        supervisor.pause_restart(name)
        supervisor.kill(name, signal.SIGKILL)
        self._say(f"kill -9 {name}: its lanes stand still until Kafka misses its heartbeats (6 s)")
        try:
            await self._until(self._lanes_up, sum(carrier.lanes for carrier in plan.carriers))
            self._tell("dispatcher killed", at, "the other one has taken over all its lanes", process=name)
        finally:
            supervisor.resume_restart(name)
        await supervisor.wait_ready(name)
        self._say(f"{name} is back and gets lanes again")

    def _tell(self, fault: str, at: float, mended: str, **known: str) -> None:
        took_s = time.monotonic() - at
        self._say(f"{mended}, {took_s:.1f} s after")
        self.log.append({"name": fault, "at_s": round(at - self.began, 2), "recovery_s": round(took_s, 2), **known})

    async def _until(self, count: Callable[[], Any], wanted: int) -> None:
        """Raises TimeoutError when it is not mended in time."""
        async with asyncio.timeout(_TAKEOVER_TIMEOUT_S):
            while await count() < wanted:
                await asyncio.sleep(_POLL_S)

    async def _binds(self, carrier: str) -> int:
        stats = (await self._client.get(f"{self._cluster.control_url}/stats")).json()
        return sum(bind["system_id"] == carrier for bind in stats["binds"])

    async def _lanes_up(self) -> int:
        """Lanes with a bind, as the dispatchers that live tell it."""
        names = [name for name in self._cluster.metrics_urls if name.startswith("dispatcher")]
        found = await asyncio.gather(*(self._lanes_of(self._cluster.metrics_urls[name]) for name in names))
        return sum(found)

    async def _lanes_of(self, url: str) -> int:
        try:
            text = (await self._client.get(url)).text
        except httpx.HTTPError:
            return 0
        families = text_string_to_metric_families(text)
        up = (sample for family in families if family.name == "smppd_bind_up" for sample in family.samples)
        return round(sum(sample.value for sample in up))
