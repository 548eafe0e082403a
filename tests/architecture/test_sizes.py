"""Files stay small enough to be read in one go. A longer one has its reason here."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOST_LINES = 400
REASONS = {
    "dispatcher/lane.py": "the lane's decisions share one state; the rules of the ledger are read together",
    "tests/integration/smpp/test_client.py": "one connection's behaviours side by side, a short test each",
    "tests/unit/smpp/core/test_esme.py": "one session's behaviours side by side, a short test each",
    "tests/property/dispatcher/world.py": "one hostile world: Kafka, the carrier and the client, and what may happen to each",
}


def lines_by_file() -> dict[str, int]:
    """Python and SQL files that git knows, or would."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py", "*.sql"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return {name: len((ROOT / name).read_text().splitlines()) for name in listed if (ROOT / name).exists()}


def test_no_file_is_longer_than_it_may_be() -> None:
    long = {name for name, count in lines_by_file().items() if count > MOST_LINES}
    assert long - set(REASONS) == set(), "split it, or give the reason here"


def test_a_reason_is_for_a_file_that_needs_it() -> None:
    found = lines_by_file()
    assert {name for name in REASONS if found.get(name, 0) <= MOST_LINES} == set()
