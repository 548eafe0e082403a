"""From messages a day to processes, cores, partitions, binds and disks, by the microseconds that `python -m bench` measured.

    python -m bench.capacity [--bench var/bench.json] [--per-day 100000000] [--peak 3] [--segments 1.2] [--load 0.5]

Prints a plan for each volume (10 M, 100 M and 1 G without --per-day), and what a simulated day does with it: arrivals that swing
between night and the peak and come in gusts, each role as a queue with the planned number of processes, and a machine's share
of each role lost for ten minutes at the peak. A plan holds when every queue is empty again within the hour.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DAY_S: Final = 86_400
STEP_S: Final = 1
ROLES: Final = ("api", "dispatcher", "recorder")
"""In the order in which a message meets them. Each process of ours uses one core at most; Kafka and Postgres use several."""
SERVERS: Final = ("kafka", "postgres")
UNITS: Final = 12
"""Most recorders that share the work (recorder.sources)."""
VOLUMES: Final = (10_000_000, 100_000_000, 1_000_000_000)


@dataclass(frozen=True)
class Costs:
    """What one message of one segment takes. `micros`: CPU by role; bytes on disk, Kafka's of one replica."""

    micros: Mapping[str, float]
    kafka_bytes: float
    postgres_bytes: float


@dataclass(frozen=True)
class Demand:
    """`peak`: the busiest hour against the mean. `load`: how busy a core may be planned to be at the peak."""

    per_day: int
    peak: float = 3.0
    segments: float = 1.2
    load: float = 0.5
    kafka_days: int = 7
    postgres_days: int = 90
    replicas: int = 3
    bind_tps: float = 100.0
    window: int = 50
    latency_s: float = 0.1
    """Of a carrier's bind: segments a second by contract, window, and time to answer."""

    @property
    def peak_per_s(self) -> float:
        return self.per_day / DAY_S * self.peak


@dataclass(frozen=True)
class Plan:
    """`processes` by role of ours, `cores` of Kafka and Postgres; disks in gigabytes of all replicas."""

    peak_per_s: float
    processes: Mapping[str, int]
    cores: Mapping[str, float]
    partitions: int
    binds: int
    kafka_gb: float
    postgres_gb: float

    @property
    def all_cores(self) -> float:
        return sum(self.processes.values()) + sum(self.cores.values())


@dataclass(frozen=True)
class Day:
    """What a simulated day did. `longest_s`: the longest time that a queue stood for; `recovered_s` after the loss, or None."""

    longest_s: Mapping[str, float]
    recovered_s: float | None


def plan(demand: Demand, costs: Costs) -> Plan:
    """The smallest plan that keeps every core below `load` at the peak, with one process to spare of each role."""
    rate = demand.peak_per_s
    busy = {name: rate * micros / 1e6 / demand.load for name, micros in costs.micros.items()}
    processes = {role: math.ceil(busy.get(role, 0.0)) + 1 for role in ROLES}
    binds = math.ceil(rate * demand.segments / min(demand.bind_tps, demand.window / demand.latency_s))
    return Plan(
        peak_per_s=rate,
        processes=processes,
        cores={name: round(busy.get(name, 0.0), 1) for name in SERVERS},
        # Of each carrier: as many as may ever be lanes, and a few for each dispatcher, so that shares come out even.
        partitions=_round_up(max(12, 3 * processes["dispatcher"]), 12),
        binds=binds,
        kafka_gb=demand.per_day * demand.kafka_days * costs.kafka_bytes * demand.replicas / 1e9,
        postgres_gb=demand.per_day * demand.postgres_days * costs.postgres_bytes / 1e9,
    )


def _round_up(value: int, step: int) -> int:
    return -(-value // step) * step


def too_much_for_recorders(found: Plan) -> bool:
    """More recorders than there are shares: a second installation, or another number of units, is needed."""
    return found.processes["recorder"] > UNITS


def simulate(demand: Demand, costs: Costs, found: Plan, lost: int = 1, seed: int = 1) -> Day:
    """A day in steps of a second. `lost`: processes of each role that are away for ten minutes from the peak on."""
    luck = random.Random(seed)
    queues = dict.fromkeys(ROLES, 0.0)
    longest = dict.fromkeys(ROLES, 0.0)
    peak_at, gust = DAY_S // 2, 1.0
    recovered: float | None = None
    for now in range(0, DAY_S, STEP_S):
        if now % 10 == 0:
            gust = luck.lognormvariate(0.0, 0.2)
        flow = _swing(demand, now) * gust * STEP_S
        away = lost if peak_at <= now < peak_at + 600 else 0
        for role in ROLES:
            served = (found.processes[role] - away) * 1e6 / costs.micros[role] * STEP_S
            queues[role] += flow
            flow = min(queues[role], served)
            queues[role] -= flow
            longest[role] = max(longest[role], queues[role] / served * STEP_S if served else math.inf)
        if now >= peak_at + 600 and recovered is None and max(queues.values()) < demand.peak_per_s:
            recovered = float(now - peak_at - 600)
    return Day({role: round(value, 1) for role, value in longest.items()}, recovered)


def _swing(demand: Demand, now: int) -> float:
    """Arrivals a second: a day whose mean is the volume's and whose noon is the peak."""
    mean, swing = demand.per_day / DAY_S, demand.peak - 1.0
    # |cos|^n with its mean taken off: narrow enough that the peak is reached, and never below a twentieth of the mean.
    sharp = max(2.0, 2.0 * swing * swing)
    shape: float = abs(math.cos(math.pi * (now - DAY_S / 2) / DAY_S)) ** sharp
    base = _mean_of_power(sharp)
    return max(mean * 0.05, mean * (1.0 + swing * (shape - base) / (1.0 - base)))


def _mean_of_power(power: float) -> float:
    """The mean of |cos x| to a power over a period."""
    return math.gamma(power / 2 + 0.5) / (math.sqrt(math.pi) * math.gamma(power / 2 + 1))


def costs_of(measured: Mapping[str, object]) -> Costs:
    """Of var/bench.json. Raises SystemExit without its bulk row."""
    bulk = measured.get("bulk")
    if not isinstance(bulk, dict) or "bytes_per_msg" not in bulk:
        raise SystemExit("no row `bulk` with bytes_per_msg: run `python -m bench --only bulk` first")
    on_disk = bulk["bytes_per_msg"]
    return Costs(bulk["cpu_us_per_msg"], on_disk["kafka"], on_disk["postgres"])


def rows(demands: Sequence[Demand], costs: Costs) -> list[list[str]]:
    """A table, its head first."""
    table = [
        ["messages a day", "peak/s", "api", "dispatchers", "recorders", "Kafka cores", "Postgres cores", "cores in all",
         "partitions a carrier", "binds", "Kafka GB", "Postgres GB", "after a loss"],
    ]  # fmt: skip
    for demand in demands:
        found = plan(demand, costs)
        day = simulate(demand, costs, found)
        end = "does not recover" if day.recovered_s is None else f"in step after {day.recovered_s:.0f} s"
        count = found.processes
        recorders = f"{count['recorder']}{' (more than 12 shares)' if too_much_for_recorders(found) else ''}"
        table.append(
            [f"{demand.per_day:,}", f"{found.peak_per_s:,.0f}", str(count["api"]), str(count["dispatcher"]), recorders,
             f"{found.cores['kafka']:g}", f"{found.cores['postgres']:g}", f"{found.all_cores:.0f}", str(found.partitions),
             f"{found.binds:,}", f"{found.kafka_gb:,.0f}", f"{found.postgres_gb:,.0f}", end]
        )  # fmt: skip
    return table


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.capacity", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bench", default="var/bench.json", metavar="FILE", help="what was measured (var/bench.json)")
    parser.add_argument("--per-day", type=int, action="append", metavar="N", help="messages a day; repeatable")
    parser.add_argument("--peak", type=float, default=3.0, help="the busiest hour against the mean (3)")
    parser.add_argument("--segments", type=float, default=1.2, help="segments of a message (1.2)")
    parser.add_argument("--load", type=float, default=0.5, help="how busy a core may be at the peak (0.5)")
    args = parser.parse_args(argv)
    try:
        measured = json.loads(Path(args.bench).read_text())
    except (OSError, ValueError) as fault:
        raise SystemExit(f"can't read {args.bench} ({fault}): run `python -m bench --only bulk` first") from None
    demands = [Demand(n, args.peak, args.segments, args.load) for n in args.per_day or VOLUMES]
    for row in rows(demands, costs_of(measured)):
        sys.stdout.write("| " + " | ".join(row) + " |\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
