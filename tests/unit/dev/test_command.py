"""Wrong usage of `smpp-dispatch dev` is one line; what it shows hides the password."""

from __future__ import annotations

import pytest

from cli.main import main
from dev.story import without_password


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--carriers", "0"], "--carriers 0: write a number above 0"),
        (["--carriers", "99"], "--carriers 99: there are names for 24"),
        (["--no-simulator"], "--no-simulator and --carriers-file belong together"),
        (["--carriers-file", "x.toml"], "--no-simulator and --carriers-file belong together"),
        (["--no-simulator", "--carriers-file", "x", "--tps", "5"], "--tps is for simulated carriers"),
        (["--scenario", "/none.json"], "can't read the scenario /none.json"),
    ],
)
def test_wrong_usage_is_one_line(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dev", *words], {}) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


def test_a_dsn_is_shown_without_its_password() -> None:
    assert without_password("postgresql://me:secret@h:5432/db") == "postgresql://me@h:5432/db"
    assert without_password("postgresql://h/db") == "postgresql://h/db"
