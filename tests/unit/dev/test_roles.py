"""What the processes of an installation are told of the environment that started it."""

from __future__ import annotations

from pathlib import Path

from dev.installation import Installation
from dev.roles import environment, file_settings
from runtime.settings import load_settings

GIVEN = {"PATH": "/bin", "SMPPD_COMPILED": "auto", "SMPPD_MAX_TPS": "5", "SMPPD_INSTANCE_ID": "this", "HOME": "/root"}


def test_children_get_our_environment_but_what_names_a_place_of_this_process() -> None:
    assert environment(GIVEN) == {name: value for name, value in GIVEN.items() if name != "SMPPD_INSTANCE_ID"}
    assert environment(GIVEN, keep=False) == {"PATH": "/bin", "SMPPD_COMPILED": "auto", "HOME": "/root"}


def test_the_env_file_keeps_our_settings_but_the_one_that_counts_before_it_is_read(tmp_path: Path) -> None:
    assert file_settings(GIVEN) == {"SMPPD_MAX_TPS": "5"}
    installation = Installation(tmp_path)
    installation.write_env(file_settings({"SMPPD_COMPILED": "auto", "SMPPD_LOG_LEVEL": "debug"}))
    assert load_settings({}, str(installation.env_file)).log_level == "debug"
