"""An installation keeps its ports and keys, shows them to nobody else, and writes a carriers.toml that the roles read."""

from __future__ import annotations

import json
import os
import socket
import stat
from pathlib import Path

import pytest

from dev.carriers import Simulated, carriers_toml, scenario_json, simulated, written
from dev.installation import Installation, write_secret
from dev.ports import Ports, is_free
from dev.roles import environment
from runtime.carriers_file import parse_carriers
from runtime.errors import UnavailableError
from runtime.settings import load_settings
from simulator.presets import scenario_of


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def opened(home: Path) -> Installation:
    installation = Installation(home)
    await installation.open()
    return installation


def test_ports_are_the_same_in_the_next_run(tmp_path: Path) -> None:
    first = [Ports(tmp_path / "ports").port(name) for name in ("api-1", "smpp")]
    again = Ports(tmp_path / "ports")
    assert [again.port(name) for name in ("api-1", "smpp")] == first
    assert len(set(first)) == 2


def test_a_port_that_somebody_took_is_replaced(tmp_path: Path) -> None:
    port = Ports(tmp_path / "ports").port("api-1")
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)
        assert Ports(tmp_path / "ports").port("api-1") != port


def test_a_wanted_port_is_tried_first_and_given_once(tmp_path: Path) -> None:
    wanted = Ports(tmp_path / "one").port("x")
    ports = Ports(tmp_path / "two", {"a": wanted, "b": wanted})
    assert ports.port("a") == wanted
    assert ports.port("b") != wanted


@pytest.mark.parametrize("text", ["", "[1]", '{"a":"x"}', "no"])
def test_a_broken_file_of_ports_is_written_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "ports").write_text(text)
    port = Ports(tmp_path / "ports").port("a")
    assert json.loads((tmp_path / "ports").read_text()) == {"a": port}


async def test_sealing_keys_are_made_once_and_kept(tmp_path: Path) -> None:
    installation = await opened(tmp_path)
    installation.write_env({"SMPPD_KAFKA_BOOTSTRAP": "127.0.0.1:1"})
    first = installation.read_env()
    installation.write_env({"SMPPD_KAFKA_BOOTSTRAP": "127.0.0.1:2"})
    second = installation.read_env()
    assert second == {**first, "SMPPD_KAFKA_BOOTSTRAP": "127.0.0.1:2"}
    settings = load_settings({}, str(installation.env_file))
    assert settings.kafka_bootstrap == "127.0.0.1:2"
    assert settings.keys()
    installation.close()


async def test_what_is_secret_is_the_owners_alone(tmp_path: Path) -> None:
    installation = await opened(tmp_path)
    installation.write_env({})
    installation.write_carriers(simulated(1, 10, 1, 10), {})
    installation.keep_key("test", "sk_test_x")
    for path in (installation.env_file, installation.carriers, installation.scenario, tmp_path / "key.test"):
        assert mode_of(path) == 0o600, path
    assert installation.kept_key("test") == "sk_test_x"
    assert installation.kept_key("live") == ""
    installation.close()


def test_a_secret_replaces_one_that_everybody_could_read(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    write_secret(path, "new")
    assert (path.read_text(), mode_of(path)) == ("new", 0o600)


async def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    installation = await opened(tmp_path)
    with pytest.raises(UnavailableError, match="is in use by process"):
        await opened(tmp_path)
    installation.close()
    (await opened(tmp_path)).close()


async def test_fresh_removes_what_was_there(tmp_path: Path) -> None:
    installation = await opened(tmp_path)
    installation.keep_key("test", "x")
    (tmp_path / "kafka").mkdir()
    installation.close()
    fresh = Installation(tmp_path)
    await fresh.open(fresh=True)
    assert sorted(os.listdir(tmp_path)) == ["lock", "logs"]
    fresh.close()


def test_carriers_are_read_by_the_roles_as_they_were_meant() -> None:
    options = {
        "in_doubt": {"marketing": "hold"},
        "errors": {"0x00000401": {"outcome": "permanent", "code": "rejected"}},
    }
    carriers = [Simulated("alpha", 200, 2, 20, weight=3, options=options), Simulated("beta", 100, 1)]
    book = parse_carriers(carriers_toml(carriers, 2775), {})
    alpha = book.carriers["alpha"]
    assert (alpha.tps, alpha.lanes, alpha.window, alpha.port, alpha.test) == (200, 2, 20, 2775, True)
    assert alpha.in_doubt.marketing == "hold"
    assert alpha.errors["0x00000401"].code == "rejected"
    assert book.routes[0].carriers == {"alpha": 3, "beta": 1}


def test_the_simulator_knows_the_same_carriers() -> None:
    carriers = simulated(2, 300, 2, 50)
    base = {"preset": "typical", "accounts": {"beta": {"tps": 7}}}
    scenario = scenario_of(json.loads(scenario_json(carriers, base)), {})
    assert (scenario.account("alpha").tps, scenario.account("beta").tps) == (300, 7)
    assert (
        scenario.account("alpha").password == parse_carriers(carriers_toml(carriers, 1), {}).carriers["alpha"].password
    )


def test_values_are_written_as_toml() -> None:
    assert written({"a": [1, 2.5, True], "b c": 'x"y'}) == '{ "a" = [1, 2.5, true], "b c" = "x\\"y" }'
    with pytest.raises(TypeError, match="NoneType"):
        written(None)


def test_children_do_not_get_what_names_one_process() -> None:
    ours = {"PATH": "/bin", "SMPPD_INSTANCE_ID": "x", "SMPPD_LOG_LEVEL": "debug", "ALPHA_PASSWORD": "p"}
    assert environment(ours) == {"PATH": "/bin", "SMPPD_LOG_LEVEL": "debug", "ALPHA_PASSWORD": "p"}
    assert environment(ours, keep=False) == {"PATH": "/bin", "ALPHA_PASSWORD": "p"}
