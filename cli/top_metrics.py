"""Reading /metrics of many processes, and what two readings tell: sums, rates, quantiles. Pure but for `scrape`."""

from __future__ import annotations

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import httpx
from prometheus_client.parser import text_string_to_metric_families

Labels = Mapping[str, str]
Key = tuple[str, ...]
TIMEOUT_S: Final = 2.0
MOST_BYTES: Final = 8 << 20


class Scrape(NamedTuple):
    """One process at one moment. `at`: monotonic seconds; `fault`: why there are no samples, or why it is not ready."""

    url: str
    at: float
    up: bool
    fault: str
    samples: Mapping[str, Sequence[tuple[Labels, float]]]


async def scrape_all(client: httpx.AsyncClient, urls: Iterable[str]) -> list[Scrape]:
    """All processes at once; one that does not answer says so."""
    return list(await asyncio.gather(*(scrape(client, url) for url in urls)))


async def scrape(client: httpx.AsyncClient, url: str) -> Scrape:
    """`url`: where /metrics and /readyz are, like http://127.0.0.1:9100."""
    try:
        answer = await client.get(f"{url}/metrics", timeout=TIMEOUT_S)
        answer.raise_for_status()
        ready = await client.get(f"{url}/readyz", timeout=TIMEOUT_S)
        samples = parsed(answer.text[:MOST_BYTES])
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as fault:
        return Scrape(url, time.monotonic(), False, str(fault) or type(fault).__name__, {})
    told = "" if ready.status_code == 200 else ready.text.strip().replace("\n", "; ")
    return Scrape(url, time.monotonic(), True, told, samples)


def parsed(text: str) -> dict[str, list[tuple[Labels, float]]]:
    """Samples by name. Raises ValueError for what is no exposition."""
    found: defaultdict[str, list[tuple[Labels, float]]] = defaultdict(list)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name].append((sample.labels, sample.value))
    return dict(found)


def sums(scrapes: Iterable[Scrape], name: str, by: Sequence[str] = (), **where: str) -> dict[Key, float]:
    """The sum over all processes, by labels."""
    found: defaultdict[Key, float] = defaultdict(float)
    for one in scrapes:
        for labels, value in one.samples.get(name, ()):
            if all(labels.get(key) == wanted for key, wanted in where.items()):
                found[tuple(labels.get(key, "") for key in by)] += value
    return dict(found)


def highest(scrapes: Iterable[Scrape], name: str, by: Sequence[str] = ()) -> dict[Key, float]:
    """The highest of any process, by labels: for gauges that several processes tell of the same thing."""
    found: dict[Key, float] = {}
    for one in scrapes:
        for labels, value in one.samples.get(name, ()):
            key = tuple(labels.get(each, "") for each in by)
            found[key] = max(value, found.get(key, value))
    return found


def rates(
    before: Sequence[Scrape], after: Sequence[Scrape], name: str, by: Sequence[str] = (), **where: str
) -> dict[Key, float]:
    """Increase a second of a counter, over all processes, by labels. A process that started anew counts from 0."""
    earlier = {one.url: one for one in before if one.up}
    found: defaultdict[Key, float] = defaultdict(float)
    for one in after:
        old = earlier.get(one.url)
        if old is None or not one.up or one.at <= old.at:
            continue
        was = sums([old], name, by, **where)
        for key, value in sums([one], name, by, **where).items():
            grown = value - was.get(key, 0.0)
            found[key] += (value if grown < 0 else grown) / (one.at - old.at)
    return dict(found)


def quantile(
    before: Sequence[Scrape], after: Sequence[Scrape], name: str, q: float, by: Sequence[str] = ()
) -> dict[Key, float]:
    """An upper bound of the quantile of what a histogram observed between the readings, by labels; absent without any.

    The bound is the bucket's: `inf` when it lies beyond the last one.
    """
    counts = rates(before, after, f"{name}_bucket", (*by, "le"))
    buckets: defaultdict[Key, list[tuple[float, float]]] = defaultdict(list)
    for key, rate in counts.items():
        buckets[key[:-1]].append((float(key[-1]), rate))
    found = {}
    for key, rows in buckets.items():
        rows.sort()
        total = rows[-1][1]
        if total > 0:
            found[key] = next((bound for bound, rate in rows if rate >= q * total * (1 - 1e-9)), math.inf)
    return found
