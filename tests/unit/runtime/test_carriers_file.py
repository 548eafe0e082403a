"""carriers.toml: what is wrong is told with file, line and remedy, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.carriers_file import load_carriers, parse_carriers
from runtime.errors import ConfigError

ALPHA = """\
# carriers of the test
[carriers.alpha]
host = "127.0.0.1"
port = 2775
system_id = "alpha"
password = "${ALPHA_PASSWORD}"
tps = 500
lanes = 2
"""
ENVIRON = {"ALPHA_PASSWORD": "secret", "HOST": "example.org", "EMPTY": ""}
AFTER = ALPHA.count("\n") + 1
"""The line of the first line that follows ALPHA."""


def refusal(text: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as told:
        parse_carriers(text, ENVIRON if environ is None else environ, "c.toml")
    assert "\n" not in str(told.value)
    return str(told.value)


def test_the_environment_is_filled_in_wherever_a_string_stands() -> None:
    book = parse_carriers(
        ALPHA.replace("127.0.0.1", "smsc.${HOST}") + '[[routes]]\nprefix = "${EMPTY}"\ncarriers = { alpha = 1 }\n',
        ENVIRON,
    )
    assert book.carriers["alpha"].password == "secret"
    assert book.carriers["alpha"].host == "smsc.example.org"
    assert book.routes[0].prefix == ""


def test_what_the_environment_holds_is_not_filled_in_again() -> None:
    book = parse_carriers(ALPHA, {"ALPHA_PASSWORD": "${A}"})
    assert book.carriers["alpha"].password == "${A}"


def test_a_variable_that_is_not_set_is_told_with_the_line_that_needs_it() -> None:
    assert refusal(ALPHA, {}) == (
        "c.toml:6: the variable ALPHA_PASSWORD is not set: export it, or put it into the environment of the process"
    )


FAULTS = {
    "tsp = 5": (AFTER, "unknown key 'tsp' (did you mean 'tps'?)"),
    "zzz = 5": (AFTER, "unknown key 'zzz' (known are "),
    "window = 0": (AFTER, "carriers.alpha.window: Input should be greater than or equal to 1"),
    'window = "many"': (AFTER, "carriers.alpha.window: "),
    "lane = 3": (AFTER, "did you mean 'lanes'?"),
    'receipt_timezone = "Mars"': (AFTER, "no such time zone: 'Mars'; write one like Europe/Berlin"),
    "price = 0.03": (AFTER, "carriers.alpha.price: Input should be a valid string"),
    "source = { ton = 5 }": (AFTER, "carriers.alpha.source.npi is missing"),
    "tls = { enabld = true }": (AFTER, "unknown key 'enabld' (did you mean 'enabled'?)"),
    'in_doubt = { otp = "perhaps" }': (AFTER, "carriers.alpha.in_doubt.otp: "),
    "partitions = 1": (2, "lanes (2) must not exceed partitions (1)"),
    '[carriers.alpha.errors]\n"0x1" = { outcome = "permanent" }\n"x" = { outcome = "permanent" }': (
        AFTER,
        "'x' is not a command_status; write it like 0x00000401",
    ),
    '\n[[routes]]\nprefix = "+86"\ncarriers = { alpha = 1 }': (AFTER + 2, "routes.1.prefix: "),
    '\n[[routes]]\nprefix = "86"\ncarriers = { alpha = 1 }\n\n[[routes]]\ncarriers = { beta = 1 }': (
        AFTER + 5,
        "route 2 names the carrier 'beta', which is not in the file",
    ),
    '\n[[routes]]\nprefix = "86"\n': (AFTER + 1, "routes.1.carriers is missing"),
    '\n[[inbound]]\nnumber = "1"\naccount = "shop"': (AFTER + 2, "inbound.1.number: "),
    "\n[[inbond]]\nx = 1": (AFTER + 1, "unknown key 'inbond' (did you mean 'inbound'?)"),
    "\n[carriers.beta]\nport = 1": (AFTER + 1, "carriers.beta.host is missing"),
    "\n[carriers.Beta]\nport = 1": (AFTER + 1, "carriers.Beta"),
    '\n[carriers."x"]\nport = 70000': (AFTER + 2, "carriers.x.port: "),
}


@pytest.mark.parametrize("addition", FAULTS)
def test_a_fault_is_told_with_its_line_and_its_remedy(addition: str) -> None:
    line, what = FAULTS[addition]
    told = refusal(ALPHA + addition + "\n")
    assert f"c.toml:{line}: " in told
    assert what in told


def test_several_faults_are_told_at_once_and_at_most_five() -> None:
    told = refusal(ALPHA + "window = 0\nexposure = -1\nport = 1\n".replace("port = 1\n", ""))
    assert f"c.toml:{AFTER}: " in told
    assert f"c.toml:{AFTER + 1}: " in told
    many = refusal(ALPHA + "".join(f"key{number} = 1\n" for number in range(20)))
    assert many.count("unknown key") == 5


def test_a_missing_key_is_told_with_the_line_of_its_table() -> None:
    assert (
        refusal("\n\n[carriers.alpha]\nhost = 'h'\nport = 1\ntps = 1\n")
        == "c.toml:3: carriers.alpha.system_id is missing"
    )


@pytest.mark.parametrize("text", ["[carriers", "x", "a = 1\na = 2", "\0", "[[routes]]\nprefix = 86x"])
def test_what_is_not_toml_says_where(text: str) -> None:
    assert refusal(text).startswith("c.toml: not TOML: ")


@pytest.mark.parametrize(
    "text",
    [
        "carriers = 5",
        "carriers = [1]",
        "[carriers]\nalpha = 5",
        "routes = 1",
        'routes = ["x"]',
        "[routes]\nprefix = '1'",
    ],
)
def test_toml_of_another_shape_is_refused(text: str) -> None:
    assert refusal(text).startswith("c.toml")


def test_secrets_are_not_shown() -> None:
    assert "hunter2hunter2" not in refusal(ALPHA, {"ALPHA_PASSWORD": "hunter2hunter2"})


def test_an_empty_file_is_an_empty_book() -> None:
    assert parse_carriers("", {}).carriers == {}


def test_a_file_that_is_not_there_or_no_text_is_told_with_a_remedy(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(ConfigError, match=r"can't read .* \(.+\): set SMPPD_CARRIERS_FILE"):
            load_carriers(path, {})
    binary = tmp_path / "b.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"can't read .*not UTF-8"):
        load_carriers(binary, {})
    fine = tmp_path / "c.toml"
    fine.write_text(ALPHA)
    assert list(load_carriers(fine, ENVIRON).carriers) == ["alpha"]


def test_the_example_that_is_deployed_is_right() -> None:
    example = Path(__file__).parents[3] / "deploy" / "carriers.example.toml"
    if not example.exists():
        pytest.skip("not written yet")
    assert load_carriers(example, {"ALPHA_PASSWORD": "a", "BETA_PASSWORD": "b"}).routes
