"""What `carriers check` says of files that are valid and likely not meant."""

from __future__ import annotations

import pytest

from cli.carriers_check import findings
from cli.findings import Finding
from runtime.carriers_file import parse_carriers

CARRIER = """
[carriers.alpha]
host = "127.0.0.1"
port = 2775
system_id = "alpha"
password = "${ALPHA_PASSWORD}"
tps = 100
window = 20
price = "0.03"
in_doubt = { marketing = "drop" }
"""
BETA = CARRIER.replace("alpha", "beta").replace("ALPHA", "BETA").replace("2775", "2776")
ROUTES = """
[[routes]]
carriers = { alpha = 1, beta = 1 }
"""
ENVIRON = {"ALPHA_PASSWORD": "a", "BETA_PASSWORD": "b"}


def found(text: str, latency_s: float = 0.1) -> list[Finding]:
    return findings(text, "c.toml", parse_carriers(text, ENVIRON, "c.toml"), latency_s)


def alpha(old: str, new: str) -> str:
    assert old in CARRIER
    return CARRIER.replace(old, new) + BETA + ROUTES


def test_a_sound_file_has_no_findings() -> None:
    assert found(CARRIER + BETA + ROUTES) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "level", "says", "remedy"),
    [
        ("window = 20", "window = 5", 8, "warning", "at most 50 of its 100 segments/s", "a window of 10"),
        ("window = 20", "window = 20\nexposure = 3", 9, "warning", "at most 25 of its 100 messages/s", "12 would do"),
        ("window = 20", "window = 20\nexposure = 50", 9, "warning", "above the window of 20", "a fair trade"),
        (
            "tps = 100",
            "tps = 100\nlanes = 5",
            8,
            "warning",
            "12 partitions don't divide by 5 lanes",
            "divide partitions",
        ),
        ("${ALPHA_PASSWORD}", "secret", 6, "warning", "the password stands in the file", "environment"),
        ("${ALPHA_PASSWORD}", "", 6, "warning", "there is no password", "password ="),
        ("127.0.0.1", "smsc.example.net", 3, "note", "in clear", "tls.enabled"),
        ('price = "0.03"\n', "", 2, "note", "no price", "price ="),
        ('"drop"', '"wait"', 10, "warning", "marketing in doubt would wait", "resend"),
        ("marketing", "otp", 10, "warning", "marketing in doubt would wait", "resend"),
        ('marketing = "drop"', 'otp = "hold"', 10, "warning", "an otp in doubt would hold", "resend"),
        ("tps = 100", "tps = 100\nsubmit_timeout_s = 2", 8, "warning", "each answer that comes later", "5 or more"),
        ("tps = 100", "tps = 100\ntest = true", 13, "warning", "mixes real carriers with alpha", "routes of their own"),
    ],
)
def test_a_finding_names_the_line_and_the_remedy(
    old: str, new: str, line: int, level: str, says: str, remedy: str
) -> None:
    matching = [each for each in found(alpha(old, new)) if says in each.what]
    assert len(matching) == 1
    if "mixes" in says:  # told at the route, which stands behind both carriers
        line = alpha(old, new).splitlines().index("[[routes]]") + 1
    assert (matching[0].level, matching[0].about) == (level, f"c.toml:{line}")
    assert remedy in matching[0].remedy


def test_lanes_that_don_t_divide_the_partitions_cost_what_it_says() -> None:
    text = alpha("tps = 100", "tps = 100\nlanes = 5\npartitions = 12")
    assert "about 80% of its tps" in next(each.what for each in found(text) if "divide" in each.what)


def test_an_outcome_code_that_does_not_exist_is_an_error() -> None:
    text = CARRIER + '[carriers.alpha.errors]\n"0x401" = { outcome = "permanent", code = "nonsense" }\n' + BETA + ROUTES
    (wrong,) = [each for each in found(text) if each.level == "error"]
    assert "'nonsense' is no outcome code" in wrong.what
    assert "blocked_by_carrier" in wrong.remedy


def test_a_code_that_is_not_used_is_told() -> None:
    text = (
        CARRIER
        + '[carriers.alpha.errors]\n"0x401" = { outcome = "throttled", code = "carrier_busy" }\n'
        + BETA
        + ROUTES
    )
    assert any("not used" in each.what for each in found(text))


def test_a_route_with_one_carrier_and_no_fallback_is_told() -> None:
    text = CARRIER + BETA + '[[routes]]\ncarriers = { alpha = 1 }\n[[routes]]\nprefix = "49"\ncarriers = { beta = 1 }\n'
    told = [each.what for each in found(text)]
    assert sum("knows only" in what for what in told) == 2


def test_a_fallback_makes_up_for_one_carrier() -> None:
    text = CARRIER + BETA + '[[routes]]\ncarriers = { alpha = 1 }\nfallback = ["beta"]\n'
    assert found(text) == []


def test_a_carrier_without_a_route_and_prefixes_without_a_default_are_told() -> None:
    text = (
        CARRIER
        + BETA
        + '[[routes]]\nprefix = "86"\nclasses = ["otp"]\ncarriers = { alpha = 1 }\nfallback = ["alpha"]\n'
    )
    told = {each.what for each in found(text)}
    assert "no route leads to beta" in told
    assert any(what.startswith("no default route for otp, notice, marketing") for what in told)
    assert any("is in carriers and in fallback" in what for what in told)


def test_two_carriers_of_one_account_are_told() -> None:
    twin = CARRIER.replace("[carriers.alpha]", "[carriers.beta]")
    assert any("alpha and beta bind to one account" in each.what for each in found(CARRIER + twin + ROUTES))


def test_latency_decides_whether_a_window_is_enough() -> None:
    text = CARRIER + BETA + ROUTES
    assert found(text, latency_s=0.15) == []
    assert any("window 20 lets a lane send at most 80" in each.what for each in found(text, latency_s=0.25))
