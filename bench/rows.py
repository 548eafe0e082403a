"""The rows of the table: each brings up a stack, measures one thing, and gives plain figures and what it ran with."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final

import asyncpg

from bench import bind
from bench.costs import bytes_on_disk, per_message
from bench.stack import Layout, Stack, stack
from load.figures import Sample
from load.run import Result

WARM_UP: Final = 20_000
WARM_UP_SHARE: Final = 5
"""Single messages take other ways through Kafka, whose Java is slow until it is compiled: at most a fifth of them, for a start."""
PATIENCE_S: Final = 600.0
OUTSTANDING: Final = 20_000
"""One to three seconds of what this machine does, by the hour."""
BACKLOG_ROUNDS: Final = 5
_LAG_FLAT: Final = 1.5
_UNLOADED: Final = {"latency": {"kind": "fixed", "value_s": 0.02}, "receipts": {"delay": 1.0}}


async def bulk(layout: Layout, count: int) -> dict[str, Any]:
    """POST /v1/batches of 1,000 until every row says delivered, as fast as the end keeps up: so many may be on the way."""
    async with stack(layout) as one:
        await one.send(WARM_UP, final_s=PATIENCE_S)
        before, held = one.costs.look(), bytes_on_disk(one.home)
        result = await one.send(count, final_s=PATIENCE_S, connections=6, outstanding=OUTSTANDING)
        costs = per_message(before, one.costs.look(), count)
        grown = {name: round((size - held[name]) / count) for name, size in bytes_on_disk(one.home).items()}
        await _check_rows(one, WARM_UP + count)
        return {
            "settings": layout.settings(),
            **_rate(result, count),
            "outstanding": OUTSTANDING,
            "cpu_us_per_msg": costs,
            "bytes_per_msg": grown,
            "rss_mb": _rounded(one.costs.most_mb),
            "series": _series(result),
        }


async def single(layout: Layout, count: int, *, keyed: bool = False) -> dict[str, Any]:
    """POST /v1/messages over 64 connections that stay open, until every row says delivered. `keyed`: each request has an
    Idempotency-Key, which is looked up in Postgres and remembered by api and dispatcher."""
    async with stack(layout) as one:
        send = partial(one.send, final_s=PATIENCE_S, mode="single", connections=64, idempotency=keyed)
        await one.send(WARM_UP, final_s=PATIENCE_S)
        warm_up = min(count // WARM_UP_SHARE, WARM_UP)
        await send(warm_up)
        before = one.costs.look()
        result = await send(count)
        costs = per_message(before, one.costs.look(), count)
        await _check_rows(one, WARM_UP + warm_up + count)
        latency = result.figures.latency
        return {
            "settings": {**layout.settings(), "idempotency_keys": keyed},
            **_rate(result, count),
            "p50_ms": round(latency.quantile(0.5) * 1000, 1),
            "p99_ms": round(latency.quantile(0.99) * 1000, 1),
            "cpu_us_per_msg": costs,
            "histogram": [(low * 1000, high * 1000, number) for low, high, number in latency.buckets()],
        }


async def latency(count: int) -> dict[str, Any]:
    """Twenty single messages a second: from the 202 to submit_sm at the carrier, from its answer to the row."""
    layout = Layout(scenario=_UNLOADED, journal=True, carriers=2)
    async with stack(layout) as one:
        await one.send(200, final_s=PATIENCE_S, mode="single", rate=50.0, connections=4)
        watching = asyncio.create_task(_rows_as_they_appear(one, 200 + count))
        await one.send(count, book=True, mode="single", rate=20.0, connections=4)
        appeared = await asyncio.wait_for(watching, 60)
        await asyncio.sleep(0.2)
        return {"settings": layout.settings(), **_latencies(one, appeared)}


async def _rows_as_they_appear(one: Stack, total: int) -> dict[str, float]:
    """When each id of a carrier was first seen in Postgres, in Unix seconds."""
    seen: dict[str, float] = {}
    session = await asyncpg.connect(one.dsn, timeout=10)
    try:
        while len(seen) < total:
            rows = await session.fetch("select smsc_ids from messages where smsc_ids is not null")
            now = time.time()
            for row in rows:
                seen.setdefault(row["smsc_ids"], now)
            await asyncio.sleep(0.005)
    finally:
        await session.close(timeout=10)
    return seen


def _latencies(one: Stack, appeared: dict[str, float]) -> dict[str, Any]:
    accepted = {}
    for line in one.book.read_text().splitlines():
        entry = json.loads(line)
        accepted[entry["nonce"].encode().hex()] = datetime.fromisoformat(entry["accepted_at"]).timestamp()
    to_submit, to_row = [], []
    for line in one.journal.read_text().splitlines():
        entry = json.loads(line)
        if entry["type"] == "submit" and (nonce := entry["short_message"][:20]) in accepted:
            to_submit.append(entry["at"] - accepted[nonce])
            to_row.append(appeared[entry["id"]] - (entry["at"] + _UNLOADED["latency"]["value_s"]))  # type: ignore[index]  # a literal above
    return {
        "accept_to_submit_p50_ms": _ms(to_submit, 0.5),
        "accept_to_submit_p99_ms": _ms(to_submit, 0.99),
        "resp_to_row_p50_ms": _ms(to_row, 0.5),
        "resp_to_row_p99_ms": _ms(to_row, 0.99),
        "messages": len(to_submit),
    }


async def backlog(layout: Layout, few: int, many: int) -> dict[str, Any]:
    """CPU a message while a long queue is worked off, against a short one that is filled and worked off again and again.

    Both begin when the recorder has projected what is queued: beside it, a message costs more for want of a core.
    """
    found: dict[str, Any] = {}
    for name, queued, rounds in (("short", few, BACKLOG_ROUNDS), ("long", many, 1)):
        async with stack(layout) as one:
            await one.send(WARM_UP, final_s=PATIENCE_S)
            rows, done, spent = WARM_UP, 0, Counter[str]()
            for _ in range(rounds):
                await one.switch("pause")
                await asyncio.sleep(2)
                await one.send(queued)
                rows += queued
                await one.until_projected(rows, PATIENCE_S + many / 5000)
                before, submitted = one.costs.look(), await one.submitted()
                await one.switch("resume")
                wanted = few * 0.95 * BACKLOG_ROUNDS / rounds
                while (now_done := await one.submitted() - submitted) < wanted:
                    await asyncio.sleep(0.05)
                done += now_done
                spent.update({role: cpu_s - before.get(role, 0.0) for role, cpu_s in one.costs.look().items()})
            costs = per_message({}, spent, done)
            found[name] = {"cpu_us_per_msg": costs, "measured": done, "rss_mb": _rounded(one.costs.most_mb)}
    ratio = found["long"]["cpu_us_per_msg"]["dispatcher"] / found["short"]["cpu_us_per_msg"]["dispatcher"]
    figures = {"cpu_ratio_10m_to_10k": round(ratio, 2), "queued": many, "against": few}
    return {"settings": layout.settings(), **figures, **found}


async def scale(layout: Layout, count: int) -> dict[str, Any]:
    """The same work by one, two and four dispatchers and recorders."""
    found = {}
    for number in (1, 2, 4):
        wider = replace(layout, dispatchers=number, recorders=number)
        async with stack(wider) as one:
            await one.send(WARM_UP, final_s=PATIENCE_S)
            result = await one.send(count, final_s=PATIENCE_S, connections=6, outstanding=OUTSTANDING)
            found[str(number)] = {"settings": wider.settings(), **_rate(result, count)}
    return found


def bind_alone(rounds: int) -> dict[str, Any]:
    """One bind of ours, of smpp34 and of aiosmpplib in turn, against the same simulator."""
    settings = {"rounds": rounds, "window": 64, "seconds": 3.0}
    return {"settings": settings, **bind.measure(argparse.Namespace(**settings))}


async def _check_rows(one: Stack, count: int) -> None:
    rows = await one.delivered()
    if rows != count:
        raise SystemExit(f"{rows} rows say delivered, not {count}")


def _rate(result: Result, count: int) -> dict[str, Any]:
    seconds = result.final_s
    if seconds is None:
        raise SystemExit(f"{count - (result.final or 0)} of {count} messages were not final in {PATIENCE_S:g} s")
    intake = result.figures.accepted / result.figures.elapsed_s
    return {
        "msgs_per_s": round(count / seconds, 1),
        "intake_per_s": round(intake, 1),
        "messages": count,
        "lag_flat": intake <= count / seconds * _LAG_FLAT,
    }


def _series(result: Result) -> dict[str, list[tuple[float, float]]]:
    """Counters over time, for the report."""
    values: dict[str, Callable[[Sample], float | None]] = {
        "accepted": lambda sample: sample.accepted,
        "submitted": lambda sample: sample.seen.submitted,
        "receipts": lambda sample: sample.seen.receipts,
        "final": lambda sample: sample.seen.final,
    }
    return {
        name: [(sample.at_s, float(found)) for sample in result.figures.samples if (found := value(sample)) is not None]
        for name, value in values.items()
    }


def _ms(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 1)


def _rounded(found: dict[str, float]) -> dict[str, float]:
    return {name: round(value) for name, value in found.items()}
