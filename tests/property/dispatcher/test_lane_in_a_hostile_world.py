"""The lane keeps the ledger's promises whatever happens, in whatever order (DESIGN §5; model/ledger_model.py)."""

from __future__ import annotations

import pytest

from tests.property.dispatcher.world import Broken, Choose, Faults, World, swarm

OTP, NOTICE, MARKETING = 0, 1, 2

# The scenarios of the model, with more records, both with unique ids and with repeats.
SCENARIOS: dict[str, tuple[list[tuple[int, int, int | None, int]], Faults, dict[str, object]]] = {
    "crash": ([(OTP, 0, None, 1)] * 4, Faults(crashes=2), {}),
    "mixed classes and partitions": (
        [(OTP, 0, None, 1), (NOTICE, 0, None, 1), (MARKETING, 1, None, 1), (OTP, 1, None, 1), (MARKETING, 0, None, 1)],
        Faults(crashes=2),
        {"exposure": 3, "window": 3},
    ),
    "hold": ([(MARKETING, 0, None, 1)] * 4, Faults(crashes=2, timeouts=1), {"policy": "hold"}),
    "drop": ([(MARKETING, 0, None, 1)] * 4, Faults(crashes=1, bind_drops=1), {"policy": "drop"}),
    "zombie": ([(OTP, 0, None, 1)] * 3, Faults(moves=1), {}),
    "zombies and a crash": (
        [(OTP, 0, None, 1), (NOTICE, 0, None, 1)] * 2,
        Faults(moves=2, crashes=1),
        {"window": 3, "exposure": 3},
    ),
    "the lane goes and returns": ([(OTP, 0, None, 1)] * 3, Faults(moves=2, returns=2), {}),
    "repeats": ([(OTP, 0, 1, 1), (OTP, 0, 2, 1), (OTP, 0, 1, 1), (OTP, 0, 2, 1)], Faults(crashes=2), {}),
    "repeats over two classes": (
        [(OTP, 0, 1, 1), (NOTICE, 0, 1, 1), (OTP, 0, None, 1)],
        Faults(crashes=1, moves=1),
        {},
    ),
    "repeats, held": (
        [(MARKETING, 0, 1, 1), (MARKETING, 0, 2, 1), (MARKETING, 0, 1, 1)],
        Faults(crashes=2),
        {"policy": "hold"},
    ),
    "throttled": (
        [(OTP, 0, None, 1), (NOTICE, 0, None, 1)] * 2,
        Faults(throttles=3, crashes=1),
        {"window": 3, "exposure": 3},
    ),
    "no answer": ([(OTP, 0, None, 1), (NOTICE, 0, None, 1)] * 2, Faults(timeouts=2, losses=1, crashes=1), {}),
    "a commit of unknown result": ([(OTP, 0, None, 1)] * 3, Faults(unknown_commits=1, crashes=1), {}),
    "long messages": (
        [(OTP, 0, None, 3), (NOTICE, 0, None, 2), (OTP, 0, None, 1)],
        Faults(crashes=1, throttles=1, timeouts=1),
        {"window": 2},
    ),
    "the bind drops": (
        [(OTP, 0, None, 2), (NOTICE, 0, None, 1), (MARKETING, 0, None, 3)],
        Faults(bind_drops=2, throttles=1),
        {"window": 4, "exposure": 2},
    ),
    "diverted": (
        [(OTP, 0, None, 1), (NOTICE, 0, None, 2), (MARKETING, 0, None, 1)] * 2,
        Faults(diversions=1, crashes=1),
        {},
    ),
    "diverted, home, and again": (
        [(OTP, 0, None, 1), (NOTICE, 0, None, 1)] * 3,
        Faults(diversions=2, bind_drops=1, crashes=2),
        {"exposure": 3, "window": 3},
    ),
    "diverted under zombies": ([(OTP, 0, None, 1)] * 4, Faults(diversions=2, moves=2, returns=1), {}),
    "diverted, held": ([(MARKETING, 0, None, 1)] * 4, Faults(diversions=1, crashes=1, timeouts=1), {"policy": "hold"}),
    "diverted with nowhere to go": (
        [(OTP, 0, None, 1), (NOTICE, 0, None, 1)] * 3,
        Faults(diversions=2, crashes=2),
        {"reroutes": False},
    ),
    "diverted while the routes change": (
        [(OTP, 0, None, 1), (NOTICE, 0, None, 1)] * 2,
        Faults(diversions=1, route_changes=1, crashes=2),
        {},
    ),
    "drained with long messages out": (
        [(OTP, 0, None, 3), (NOTICE, 0, None, 3), (MARKETING, 0, None, 1)],
        Faults(diversions=2, timeouts=1, crashes=1),
        {"window": 3, "exposure": 3},
    ),
    "everything at once": (
        [(OTP, 0, 1, 1), (NOTICE, 1, None, 2), (OTP, 0, 1, 1), (MARKETING, 0, None, 1), (OTP, 1, None, 1)],
        Faults(
            crashes=1,
            moves=1,
            returns=1,
            throttles=1,
            timeouts=1,
            losses=1,
            unknown_commits=1,
            bind_drops=1,
            diversions=1,
        ),
        {"window": 3, "exposure": 3},
    ),
}


def world(name: str) -> World:
    records, faults, options = SCENARIOS[name]
    return World(records, Faults(**vars(faults)), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_lost_or_doubled_unlisted(name: str) -> None:
    for seed in range(200):
        played = world(name)
        try:
            played.run(swarm(seed))
        except Broken as fault:
            pytest.fail(f"seed {seed}: {fault}\n" + "\n".join(played.steps))


@pytest.mark.parametrize("name", ["crash", "repeats", "hold", "long messages"])
def test_a_crash_at_every_step_of_an_orderly_run(name: str) -> None:
    """The first option that is no fault, always; and a crash (and a second one later) at each step."""

    def orderly(crash_at: set[int], played: World) -> Choose:
        def choose(labels: list[str]) -> int:
            wanted = "crash" if len(played.steps) in crash_at else None
            for number, label in enumerate(labels):
                fault = any(word in label for word in ("crash", "moves", "no answer", "drops", "goes back", "are lost"))
                if (wanted and wanted in label) or (not wanted and not fault and "looks for" not in label):
                    return number
            return next((n for n, label in enumerate(labels) if "crash" not in label), 0)

        return choose

    records, _, options = SCENARIOS[name]
    calm = World(records, Faults(), **options)  # type: ignore[arg-type]
    calm.run(orderly(set(), calm))
    for first in range(len(calm.steps)):
        for second in (None, first + 3, first + 8, first + 15):
            crashes = {first} | ({second} if second is not None else set())
            played = World(records, Faults(crashes=len(crashes)), **options)  # type: ignore[arg-type]
            try:
                played.run(orderly(crashes, played))
            except Broken as fault:
                pytest.fail(f"crash at {crashes}: {fault}\n" + "\n".join(played.steps))
