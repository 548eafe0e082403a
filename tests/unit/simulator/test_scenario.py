"""Scenarios: presets, files, overrides, and one clear sentence for what is wrong."""

from __future__ import annotations

import random
import statistics
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import ConfigError
from simulator.distributions import Exponential, Fixed, Normal, Spikes, Uniform, sampler
from simulator.presets import PRESETS, parse_accounts, read_scenario, scenario_of
from smpp.core.constants import CommandStatus
from tests.unit.simulator.rig import Rig, many, message


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_scenario_that_delivers(name: str) -> None:
    rig = Rig(preset=name, receipts={"states": {"DELIVRD": 1}})
    client = rig.client()
    client.submit(*many(5))
    rig.advance(10)
    assert client.statuses() == [0] * 5
    assert len(client.deliveries) == 5


def test_an_account_overrides_the_rest_and_only_what_it_names() -> None:
    scenario = scenario_of(
        {
            "tps": 100,
            "receipts": {"delay": 3, "retry_s": 9},
            "accounts": {"alpha": {"tps": 5, "receipts": {"delay": 1}}},
        },
        {},
    )
    alpha, beta = scenario.account("alpha"), scenario.account("beta")
    assert (alpha.tps, alpha.receipts.delay, alpha.receipts.retry_s) == (5, Fixed(value_s=1), 9)
    assert (beta.tps, beta.receipts.delay) == (100, Fixed(value_s=3))


def test_a_scenario_lies_over_the_accounts_of_the_command_line() -> None:
    flags = parse_accounts(["alpha:secret:500tps:2binds", "beta:se:cret"])
    scenario = scenario_of({"accounts": {"alpha": {"tps": 30}}}, flags)
    alpha = scenario.account("alpha")
    assert (alpha.password, alpha.tps, alpha.max_binds) == ("secret", 30, 2)
    assert scenario.account("beta").password == "se:cret"


@pytest.mark.parametrize("flag", ["alpha", ":secret", ""])
def test_a_wrong_account_flag_is_refused(flag: str) -> None:
    with pytest.raises(ConfigError, match="write system_id:password"):
        parse_accounts([flag])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"latencyy": 1}, "latencyy: Extra inputs"),
        ({"preset": "typicall"}, "did you mean typical?"),
        ({"latency": {"kind": "uniform", "low_s": 2, "high_s": 1}}, "low_s must not exceed high_s"),
        ({"latency": {"kind": "gamma"}}, "latency"),
        ({"errors": {"ESME_RSYSERR": 0.7, "0x14": 0.5}}, "errors: the shares add up to more than 1"),
        ({"errors": {"ESME_NO": 0.7}}, "'ESME_NO' is no command_status"),
        ({"receipts": {"states": {"DELIVRD": 0}}}, "receipts.states: at least one state"),
        ({"receipts": {"template": "id:{ident}"}}, "receipts.template: {ident} is not a field"),
        ({"receipts": {"timezone": "Mars"}}, "receipts.timezone: no such time zone"),
        ({"rules": [{"match": {"text": "["}}]}, "rules.0.match.text: '[' is no regular expression"),
        ({"accounts": {"alpha": {"receipts": {"delay": -1}}}}, "accounts.alpha.receipts.delay"),
        ({"tps": 0}, "tps: "),
    ],
)
def test_what_is_wrong_is_named(data: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as refused:
        scenario_of(data, {})
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_files_are_json_or_toml(tmp_path: Path) -> None:
    toml, broken = tmp_path / "s.toml", tmp_path / "s.json"
    toml.write_text('preset = "typical"\n[accounts.alpha]\ntps = 5\n')
    broken.write_text("{")
    assert scenario_of(read_scenario(str(toml)), {}).account("alpha").tps == 5
    with pytest.raises(ConfigError, match="neither JSON nor TOML"):
        read_scenario(str(broken))
    with pytest.raises(ConfigError, match="can't read the scenario"):
        read_scenario(str(tmp_path / "none.json"))
    assert read_scenario("preset:fast") == {"preset": "fast"}


@pytest.mark.parametrize(
    ("distribution", "mean", "low", "high"),
    [
        (Uniform(low_s=1, high_s=3), 2, 1, 3),
        (Normal(mean_s=2, deviation_s=0.5), 2, 0, 5),
        (Exponential(mean_s=2), 2, 0, 40),
        (Spikes(base_s=1, spike_s=11, share=0.1), 2, 1, 11),
    ],
)
def test_distributions_have_their_mean_and_bounds(distribution: Any, mean: float, low: float, high: float) -> None:
    draw = sampler(distribution, random.Random(1))
    assert callable(draw)
    values = [draw() for _ in range(5000)]
    assert statistics.fmean(values) == pytest.approx(mean, rel=0.1)
    assert low <= min(values)
    assert max(values) <= high


def test_errors_come_by_weight() -> None:
    rig = Rig(errors={"ESME_RSYSERR": 0.2, "ESME_RINVDSTADR": 0.1})
    client = rig.client()
    client.submit(*many(3000))
    seen = client.statuses()
    assert seen.count(CommandStatus.ESME_RSYSERR) == pytest.approx(600, rel=0.15)
    assert seen.count(CommandStatus.ESME_RINVDSTADR) == pytest.approx(300, rel=0.2)


def test_the_first_rule_that_fits_decides() -> None:
    rig = Rig(
        rules=[
            {"match": {"prefix": "861"}, "status": "ESME_RINVDSTADR"},
            {"match": {"prefix": "86"}, "state": "EXPIRED", "err": "123"},
            {"match": {"text": "^slow"}, "latency": 2},
            {"match": {"text": "silent"}, "silent": True},
        ]
    )
    client = rig.client()
    client.submit(message(to="8613"), message(to="8620"), message("slow", to="44"), message("silent", to="44"))
    assert client.statuses() == [CommandStatus.ESME_RINVDSTADR, 0]
    assert b"stat:EXPIRED err:123" in client.deliveries[0].user_data
    rig.advance(2.1)
    assert client.statuses() == [CommandStatus.ESME_RINVDSTADR, 0, 0]
    assert len(client.deliveries) == 3


def test_a_handset_replies_to_a_keyword() -> None:
    rig = Rig(rules=[{"match": {"text": "STOP"}, "reply": "STOP"}])
    client = rig.client()
    client.submit(message("reply STOP to end", registered=0), message("no keyword", registered=0))
    rig.advance(1)
    (reply,) = client.deliveries
    assert (reply.source, reply.destination, reply.user_data, reply.esm_class) == ("8613800000000", "Acme", b"STOP", 0)
    assert rig.smsc.accounts["alpha"].counters.mo_acked == 1


@pytest.mark.parametrize(("form", "body"), [("none", b""), ("empty_id", b"\0"), ("tlv", b"\0\0\x1d\0\x08refused\0")])
def test_refusals_have_the_body_of_this_smsc(form: str, body: bytes) -> None:
    rig = Rig(errors={"ESME_RSYSERR": 1}, refusal_body=form)
    client = rig.client()
    client.submit(message())
    assert client.statuses() == [CommandStatus.ESME_RSYSERR]
    assert client.raw.endswith(
        bytes(3) + bytes((16 + len(body),)) + b"\x80\0\0\4" + bytes(3) + b"\x08" + bytes(3) + b"\x02" + body
    )


def test_a_new_scenario_holds_for_the_next_submits() -> None:
    rig = Rig()
    client = rig.client()
    client.submit(message())
    rig.smsc.configure(scenario_of({"errors": {"ESME_RSYSERR": 1}}, {}))
    client.submit(message())
    assert client.statuses() == [0, CommandStatus.ESME_RSYSERR]
    assert rig.smsc.accounts["alpha"].counters.submits == 2
