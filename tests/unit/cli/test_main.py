"""The command line itself: help, wrong usage, env files, exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.main import COMMANDS, main


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_that_says_more_than_its_line(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"], {})
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert len(told.splitlines()) >= 5
    assert f"usage: smpp-dispatch {command}" in told


def test_the_list_of_commands_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"], {})
    told = capsys.readouterr().out
    assert ended.value.code == 0
    assert all(
        command in told and sentence.split(":")[0] in " ".join(told.split())
        for command, (_, sentence) in COMMANDS.items()
    )


@pytest.mark.parametrize("words", [[], ["nonsense"], ["doctor", "--nonsense"], ["carriers"], ["carriers", "probe"]])
def test_wrong_usage_is_exit_code_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words, {})
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize("before", [True, False])
def test_an_env_file_may_stand_before_or_behind_the_command(
    before: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "env"
    file.write_text("SMPPD_CARRIERS_FILE=/nowhere/carriers.toml\n")
    words = ["carriers", "check"]
    option = ["--env-file", str(file)]
    assert main(option + words if before else words + option, {}) == 2
    assert "can't read /nowhere/carriers.toml" in capsys.readouterr().err


def test_a_wrong_setting_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topics"], {"SMPPD_KAFKA_BOOTSTRAPP": "x"}) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "unknown setting SMPPD_KAFKA_BOOTSTRAPP: did you mean SMPPD_KAFKA_BOOTSTRAP?" in told


def test_carriers_check_tells_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "carriers.toml"
    file.write_text('[carriers.alpha]\nhost = "h"\nport = 1\nsystem_id = "a"\npassword = "${NO_SUCH}"\ntps = 0\n')
    assert main(["carriers", "check", str(file)], {}) == 2
    assert f"{file}:5: the variable NO_SUCH is not set" in capsys.readouterr().err
    assert main(["carriers", "check", str(file), "--without-secrets"], {}) == 2
    assert f"{file}:6: carriers.alpha.tps" in capsys.readouterr().err


def test_carriers_check_is_strict_only_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "carriers.toml"
    file.write_text('[carriers.alpha]\nhost = "h"\nport = 1\nsystem_id = "a"\npassword = "secret"\ntps = 1\n')
    assert main(["carriers", "check", str(file)], {}) == 0
    assert "is valid, see the warnings" in capsys.readouterr().out
    assert main(["carriers", "check", str(file), "--strict"], {}) == 1
    assert main(["carriers", "check", str(file), "--latency-s", "0"], {}) == 2


def test_carriers_check_names_the_line_of_a_route_that_leads_nowhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "carriers.toml"
    file.write_text(
        '[carriers.a]\nhost = "h"\nport = 1\nsystem_id = "a"\ntps = 1\n\n[[routes]]\ncarriers = { b = 1 }\n'
    )
    assert main(["carriers", "check", str(file)], {}) == 2
    assert f"{file}:7: route 1 names the carrier 'b', which is not in the file" in capsys.readouterr().err
