"""The table of drills: enough of them, each once, in an order that the seed decides; and the lines of var/drill.json."""

from __future__ import annotations

from tests.drill.__main__ import shuffled
from tests.drill.apart import APART
from tests.drill.faults import FAULTS
from tests.drill.stage import Outcome

CONTRACT = (
    "name", "accepted", "lost", "in_doubt", "in_doubt_max_per_lane", "exposure", "resent", "repeats", "unlisted_repeats",
    "receipts_lost", "recovery_s", "ok",
)  # fmt: skip


def test_there_are_enough_faults_and_none_twice() -> None:
    assert len({*FAULTS, *APART}) == len(FAULTS) + len(APART) >= 20


def test_a_seed_decides_the_order() -> None:
    names = [*FAULTS, *APART]
    assert shuffled(names, 1) == shuffled(names, 1) != shuffled(names, 2)
    assert sorted(shuffled(names, 3)) == sorted(names)


def test_a_line_has_what_the_contract_names() -> None:
    assert set(CONTRACT) <= set(Outcome("a").as_json())
    assert not Outcome("never judged").ok
