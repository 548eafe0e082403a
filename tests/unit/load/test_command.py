"""What can't be asked for is refused in one line that names the flag."""

from __future__ import annotations

import pytest

from cli.main import main

ENV = {"SMPPD_LOAD_KEY": "k"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--rate", "10", "--steps", "10"], "--rate and --steps together: give one of them"),
        (["--ramp", "3"], "--ramp without a rate"),
        (["--steps", "10,x"], "--steps 10,x is wrong"),
        (["--count", "0"], "--count 0: write a number above 0"),
        (["--url", "ftp://x"], "--url ftp://x is no address"),
        (["--url", "http://h:99999"], "--url http://h:99999 is no address"),
        (["--classes", "otp=x"], "--classes otp=x"),
        (["--input", "/none"], "can't read /none"),
        (["--mode", "single", "--wait-final", "5"], "--wait-final has nobody to ask"),
        (["--outstanding", "5"], "--outstanding has nobody to ask"),
        (["--outstanding", "0", "--simulator", "http://h:1"], "--outstanding 0: write a number above 0"),
        (["--book", "/none/book"], "can't write the book /none/book"),
    ],
)
def test_wrong_usage_is_one_line(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["load", *words], ENV) in (1, 2)
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


def test_without_a_key_it_says_where_to_get_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["load"], {}) == 2
    assert "no API key: give --key or SMPPD_LOAD_KEY" in capsys.readouterr().err
