"""What another system user must be able to reach, when we are root under a strict umask."""

from __future__ import annotations

import stat
from pathlib import Path

from runtime.local.postgres_account import binaries, open_to_others


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_tree_becomes_readable_and_its_programs_runnable(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir(mode=0o700)
    for name, bits in (("bin/postgres", 0o700), ("data.txt", 0o600), ("open", 0o644)):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(bits)
    open_to_others(tmp_path)
    assert [mode(tmp_path / name) for name in ("bin", "bin/postgres", "data.txt", "open")] == [
        0o755,
        0o755,
        0o644,
        0o644,
    ]


def test_a_link_that_leads_nowhere_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    open_to_others(tmp_path)
    assert (tmp_path / "link").is_symlink()


def test_the_wheel_has_the_programs() -> None:
    assert {"postgres", "initdb"} <= {path.name for path in binaries().iterdir()}
