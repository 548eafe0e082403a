"""Settings: known names only, every wrong value one line that names it and tells the remedy."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from pydantic import ValidationError

from runtime.errors import ConfigError, OperatorError, UnavailableError
from runtime.settings import Settings, load_settings

SEAL = "1:" + base64.b64encode(b"k" * 32).decode()
INDEX = base64.b64encode(b"i" * 32).decode()


def refusal(environ: dict[str, str], env_file: str | None = None) -> str:
    with pytest.raises(ConfigError) as told:
        load_settings(environ, env_file)
    assert "\n" not in str(told.value)
    return str(told.value)


def test_without_any_variable_everything_is_at_its_default() -> None:
    assert load_settings({"PATH": "/bin", "HOME": "/", "smppd_http_port": "1"}) == Settings()


def test_variables_of_others_are_left_alone() -> None:
    assert load_settings({"SMPP_HTTP_PORT": "x", "XSMPPD_HTTP_PORT": "x", "KAFKA": "x"}).http_port == 8080


def test_values_come_from_the_environment() -> None:
    settings = load_settings({"SMPPD_HTTP_PORT": "0", "SMPPD_LEAVE_ON_STOP": "true", "SMPPD_DRAIN_TIMEOUT_S": "2.5"})
    assert (settings.http_port, settings.leave_on_stop, settings.drain_timeout_s) == (0, True, 2.5)


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("SMPPD_HTTP_PROT", "unknown setting SMPPD_HTTP_PROT: did you mean SMPPD_HTTP_PORT?"),
        ("SMPPD_KAFKA_BOOTSTRP", "did you mean SMPPD_KAFKA_BOOTSTRAP?"),
        ("SMPPD_Http_Port", "unknown setting SMPPD_Http_Port: did you mean SMPPD_HTTP_PORT?"),
        ("SMPPD_", "unknown setting SMPPD_: "),
        ("SMPPD_XYZZY", "docs/reference/settings.md lists what there is"),
        ("SMPPD_MODEL_CONFIG", "unknown setting"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_known_one(key: str, told: str) -> None:
    assert told in refusal({key: "1"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_PORT", "65536"),
        ("HTTP_PORT", "-1"),
        ("HTTP_PORT", "eighty"),
        ("HTTP_PORT", ""),
        ("METRICS_PORT", "1e3x"),
        ("TOPIC_PREFIX", "a/b"),
        ("TOPIC_PREFIX", "x" * 61),
        ("INSTANCE_ID", ""),
        ("INSTANCE_ID", "a b"),
        ("KAFKA_REPLICATION", "0"),
        ("KAFKA_SESSION_TIMEOUT_MS", "999"),
        ("LOG_LEVEL", "loud"),
        ("LEAVE_ON_STOP", "perhaps"),
        ("DRAIN_TIMEOUT_S", "0"),
        ("DRAIN_TIMEOUT_S", "nan"),
        ("PRODUCE_TIMEOUT_S", "31"),
        ("HISTORY_RECORDS", "10"),
        ("INTAKE_QUEUE_BYTES", "5"),
        ("MAX_RECIPIENTS", "0"),
        ("RETENTION_DAYS", "0"),
        ("SEAL_KEYS", "1:short"),
        ("SEAL_KEYS", SEAL + "," + SEAL),
        ("INDEX_KEY", "%%%"),
        ("INDEX_KEY", base64.b64encode(b"x" * 15).decode()),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_setting(name: str, value: str) -> None:
    told = refusal({f"SMPPD_{name}": value})
    assert told.startswith(f"SMPPD_{name} is wrong: ")
    assert len(told) > len(f"SMPPD_{name} is wrong: ") + 5


def test_the_value_of_a_secret_is_not_told() -> None:
    secret = base64.b64encode(b"a secret of 31 bytes, too short").decode()
    assert secret not in refusal({"SMPPD_SEAL_KEYS": f"1:{secret}"})
    assert secret not in refusal({"SMPPD_SEAL_KEYS": secret})
    assert secret not in refusal({"SMPPD_INDEX_KEY": secret + "="})
    shown = repr(
        load_settings(
            {"SMPPD_SEAL_KEYS": SEAL, "SMPPD_INDEX_KEY": INDEX, "SMPPD_POSTGRES_DSN": "postgresql://u:pw@h/d"}
        )
    )
    assert not [part for part in (SEAL, INDEX, "pw@") if part in shown]


def test_keys_are_there_or_the_command_that_makes_them_is_told() -> None:
    assert load_settings({"SMPPD_SEAL_KEYS": SEAL, "SMPPD_INDEX_KEY": INDEX}).keys() == ({1: b"k" * 32}, b"i" * 32)
    for given, missing in (({}, "SEAL_KEYS"), ({"SMPPD_SEAL_KEYS": SEAL}, "INDEX_KEY")):
        with pytest.raises(ConfigError, match=f"SMPPD_{missing} is not set: `smpp-dispatch keys generate`"):
            load_settings(given).keys()


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings().http_port = 1  # type: ignore[misc]  # that it is refused is the test


def test_every_setting_says_what_it_is_for() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.strip().endswith("."), name


def test_an_env_file_comes_first_and_the_environment_overrides_it(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text(
        "# a comment\n\nexport SMPPD_HTTP_PORT=1\nSMPPD_METRICS_PORT = 2 \nSMPPD_LOG_LEVEL='debug'\n"
        'SMPPD_KAFKA_BOOTSTRAP="a:1,b:2"\nOTHER=x\nSMPPD_POSTGRES_DSN=postgresql://h/d?x=y\n'
    )
    settings = load_settings({"SMPPD_HTTP_PORT": "3"}, str(path))
    assert (settings.http_port, settings.metrics_port, settings.log_level) == (3, 2, "debug")
    assert settings.kafka_bootstrap == "a:1,b:2"
    assert settings.postgres_dsn == "postgresql://h/d?x=y"


def test_env_files_that_can_t_be_read_are_told_in_a_line(tmp_path: Path) -> None:
    assert refusal({}, str(tmp_path / "none")).startswith(f"can't read the env file {tmp_path}/none: ")
    path = tmp_path / "env"
    path.write_text("SMPPD_HTTP_PORT=1\nwhat is this\n")
    assert refusal({}, str(path)) == f"{path}:2 is not KEY=VALUE"
    path.write_text("SMPPD_HTTP_PROT=1\n")
    assert "did you mean SMPPD_HTTP_PORT?" in refusal({}, str(path))
    path.write_bytes(b"\xff\xfe")
    assert refusal({}, str(path)) == f"can't read the env file {path}: it is not UTF-8"


def test_operator_errors_are_one_line_with_an_exit_code() -> None:
    assert (str(ConfigError("what", "remedy")), ConfigError.exit_code) == ("what: remedy", 2)
    assert (str(UnavailableError("what")), UnavailableError.exit_code) == ("what", 1)
    assert OperatorError.exit_code == 1


def test_what_counts_before_the_env_file_is_read_may_not_stand_there(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("SMPPD_COMPILED=no\n")
    assert "put it into the environment" in refusal({}, str(file))
    assert load_settings({"SMPPD_COMPILED": "no"}).compiled == "no"
