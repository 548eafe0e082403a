"""What is in deploy/ fits the service: commands parse, settings exist, metrics and labels are real, files are there."""

from __future__ import annotations

import argparse
import importlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.carriers_check import findings
from cli.main import COMMANDS
from runtime.carriers_file import load_carriers
from runtime.metrics import DEFINED
from runtime.settings import PREFIX, Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "smpp-dispatch"}
ALERTS: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
EXAMPLE_ENV = DEPLOY / "smpp-dispatch.env.example"
SECRETS = {"ALPHA_PASSWORD": "a", "BETA_PASSWORD": "b"}


def parses(words: list[str]) -> bool:
    """Whether our own command line takes these words."""
    name, *rest = words
    module = importlib.import_module(f"cli.{COMMANDS[name][0]}")
    parser = argparse.ArgumentParser(exit_on_error=False)
    module.arguments(parser)
    return bool(parser.parse_args(rest))


def names(variable: str) -> str:
    """The field of the settings."""
    return variable.removeprefix(PREFIX).lower()


def env_example() -> dict[str, str]:
    lines = [line.split("=", 1) for line in EXAMPLE_ENV.read_text().splitlines() if line and not line.startswith("#")]
    return dict(lines)


# ---- compose


def test_compose_has_the_shape_that_compose_wants() -> None:
    known = {
        "image", "build", "command", "environment", "env_file", "restart", "init", "read_only", "security_opt", "cap_drop",
        "stop_grace_period", "ulimits", "volumes", "depends_on", "healthcheck", "ports", "profiles", "shm_size",
    }  # fmt: skip
    assert set(COMPOSE) - {"name", "services", "volumes"} == {key for key in COMPOSE if key.startswith("x-")}
    for service in COMPOSE["services"].values():
        assert set(service) <= known
        assert all(re.match(r"127\.0\.0\.1:\d+:\d+$", port) for port in service.get("ports", ()))
        for name in named_volumes(service):
            assert name in COMPOSE["volumes"]


def named_volumes(service: Mapping[str, Any]) -> Iterator[str]:
    for volume in service.get("volumes", ()):
        if not volume.startswith("."):
            yield volume.split(":")[0]


@pytest.mark.parametrize("name", OURS)
def test_a_service_of_ours_runs_a_command_that_parses(name: str) -> None:
    assert parses([re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", word) for word in OURS[name]["command"]])


@pytest.mark.parametrize("name", OURS)
def test_a_service_of_ours_has_settings_that_exist(name: str) -> None:
    given = {key: str(value) for key, value in OURS[name].get("environment", {}).items()}
    assert all(key.startswith(PREFIX) for key in given)
    assert load_settings(given).model_fields_set == {names(key) for key in given}


def test_processes_have_instance_ids_of_their_own() -> None:
    instances = [service["environment"]["SMPPD_INSTANCE_ID"] for service in OURS.values() if "environment" in service]
    assert len(instances) == len(set(instances)) == 5


def test_services_wait_for_what_they_need_and_are_watched() -> None:
    for name, service in COMPOSE["services"].items():
        for needed, condition in as_conditions(service.get("depends_on", {})).items():
            assert needed in COMPOSE["services"]
            if condition == "service_healthy":
                assert "healthcheck" in COMPOSE["services"][needed]
        if name in ("api", "dispatcher-1", "dispatcher-2", "recorder", "scheduler"):
            assert set(service["depends_on"]) == {"migrate", "topics"}
            assert f":{service['environment']['SMPPD_METRICS_PORT']}/readyz" in " ".join(service["healthcheck"]["test"])


def as_conditions(given: Any) -> dict[str, str]:
    return (
        {name: value["condition"] for name, value in given.items()}
        if isinstance(given, dict)
        else dict.fromkeys(given, "")
    )


def test_a_stop_leaves_time_to_drain() -> None:
    drain_s = Settings.model_fields["drain_timeout_s"].default
    for service in OURS.values():
        assert float(service["stop_grace_period"].removesuffix("s")) > drain_s + 10
    for unit in UNITS:
        assert float(unit_values(unit)["TimeoutStopSec"][0]) > drain_s + 10


def test_files_that_compose_mounts_are_there_or_are_copied_from_an_example() -> None:
    copied = {"./carriers.toml": "carriers.example.toml"}
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", ()):
            if volume.startswith("."):
                source = volume.split(":")[0]
                assert (DEPLOY / copied.get(source, source)).exists()
        if "build" in service:
            assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).exists()


def test_the_brokers_keep_what_the_ledgers_need() -> None:
    kafka = COMPOSE["services"]["kafka"]["environment"]
    assert int(kafka["KAFKA_OFFSETS_RETENTION_MINUTES"]) > 14 * 24 * 60
    assert kafka["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert int(kafka["KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS"]) <= int(env_example()["SMPPD_KAFKA_SESSION_TIMEOUT_MS"])
    assert int(kafka["KAFKA_BROKER_HEARTBEAT_INTERVAL_MS"]) * 2 <= int(kafka["KAFKA_BROKER_SESSION_TIMEOUT_MS"])


# ---- the image, the env file, carriers, systemd


def test_the_image_is_built_from_the_lock_and_does_not_run_as_root() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    stages = [line.split()[1] for line in lines if line.startswith("FROM ")]
    assert set(stages) == {"python:3.11-slim"}
    assert len(stages) == 2
    assert any("--require-hashes" in line and "requirements.lock" in line for line in lines)
    user = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert user == ["10001"]
    assert json.loads(next(line for line in lines if line.startswith("ENTRYPOINT ")).removeprefix("ENTRYPOINT ")) == [
        "smpp-dispatch"
    ]


def test_nothing_in_deploy_names_a_registry() -> None:
    told = [file for file in [*DEPLOY.rglob("*"), ROOT / ".dockerignore"] if file.is_file() and file.suffix != ".xml"]
    assert told
    hosts = re.compile(
        r"\b(?:[a-z0-9-]+\.)*(?:docker\.io|ghcr\.io|quay\.io|pypi\.org|pythonhosted\.org|npmjs\.org|debian\.org)\b"
    )
    assert [str(file) for file in told if hosts.search(file.read_text(errors="replace"))] == []


def test_the_example_env_file_has_settings_that_exist() -> None:
    settings = {name for name in env_example() if name.startswith(PREFIX)}
    assert load_settings({}, str(EXAMPLE_ENV)).model_fields_set == {names(key) for key in settings}


def test_the_example_env_file_names_every_variable_that_others_need() -> None:
    needed = set(re.findall(r"\$\{([A-Z_]+)", (DEPLOY / "compose.yaml").read_text()))
    needed |= set(re.findall(r"\$\{([A-Z_]+)\}", carriers_without_comments()))
    assert needed <= set(env_example())
    assert env_example()["POSTGRES_PASSWORD"] in env_example()["SMPPD_POSTGRES_DSN"]


def carriers_without_comments() -> str:
    lines = (DEPLOY / "carriers.example.toml").read_text().splitlines()
    return "\n".join(line for line in lines if not line.startswith("#"))


def test_the_example_carriers_are_valid_and_raise_no_warning() -> None:
    path = DEPLOY / "carriers.example.toml"
    book = load_carriers(path, SECRETS)
    assert set(book.carriers) == {"alpha", "beta"}
    found = findings(path.read_text(), path.name, book, latency_s=0.05)
    assert [finding for finding in found if finding.level in ("warning", "error")] == []


def unit_values(unit: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_systemd_unit_runs_a_command_with_settings_that_exist(unit: Path) -> None:
    values = unit_values(unit)
    program, *words = values["ExecStart"][0].split()
    assert program.endswith("/smpp-dispatch")
    assert parses(words)
    for name, value in (pair.split("=", 1) for line in values["Environment"] for pair in line.split()):
        assert load_settings({name: value.replace("%H", "host").replace("%i", "1")}).model_fields_set == {names(name)}


# ---- Prometheus and Grafana


LABELS: dict[str, set[str]] = {}
for metric in DEFINED:
    for suffix in {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(str(metric._type), ("",)):
        LABELS[metric._name + suffix] = {*metric._labelnames, *({"le"} if suffix == "_bucket" else ())}
TARGET_LABELS = {"instance", "job", "role"}


def expressions() -> Iterator[tuple[str, str]]:
    """(where, PromQL) of every alert and panel."""
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for file in DASHBOARDS:
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel.get("targets", ()):
                yield panel["title"], target["expr"]


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_an_expression_uses_metrics_and_labels_that_exist(where: str, expression: str) -> None:
    names = re.findall(r"\b(smppd_[a-z_]+)", expression)
    assert set(names) <= set(LABELS)
    assert names or expression.startswith("up{")
    allowed = set().union(TARGET_LABELS, *(LABELS[name] for name in names))
    for group in re.findall(r"\bby \(([^)]*)\)", expression):
        assert {label.strip() for label in group.split(",")} <= allowed
    for name, selector in re.findall(r"\b(smppd_[a-z_]+)\{([^}]*)\}", expression):
        assert set(re.findall(r"(\w+)(?:=~|!~|!=|=)", selector)) <= LABELS[name] | TARGET_LABELS


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_says_what_it_is_and_has_a_runbook_that_names_it(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"]
    runbook = ROOT / rule["annotations"]["runbook_url"]
    assert f"`{rule['alert']}`" in runbook.read_text() or f"**{rule['alert']}**" in runbook.read_text()


def test_alerts_have_names_of_their_own() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names))


def test_prometheus_scrapes_every_process_of_compose() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    assert config["rule_files"] == ["alerts.yml"]
    scraped = {
        target
        for job in config["scrape_configs"]
        for static in job["static_configs"]
        for target in static["targets"]
        if static["labels"]["role"] in COMMANDS
    }
    running = {name for name, service in OURS.items() if "healthcheck" in service}
    assert scraped == {f"{name}:{OURS[name]['environment']['SMPPD_METRICS_PORT']}" for name in running}


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.name)
def test_a_dashboard_is_whole_and_uses_the_provisioned_datasource(file: Path) -> None:
    board = json.loads(file.read_text())
    source = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text())["datasources"][
        0
    ]["uid"]
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 15
    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert len({(place["x"], place["y"]) for place in places}) == len(places)
    for panel in panels:
        if panel["type"] != "row":
            assert panel["description"]
            assert {target["datasource"]["uid"] for target in panel["targets"]} == {source}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not installed")
def test_promtool_takes_the_configuration_and_every_expression(tmp_path: Path) -> None:
    panels = [
        {"record": f"panel_{at}", "expr": expr.replace("$carrier", ".*")} for at, (_, expr) in enumerate(expressions())
    ]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": panels}]}))
    for words in (["config", "prometheus.yml"], ["rules", "alerts.yml"], ["rules", str(tmp_path / "panels.yml")]):
        command = ["promtool", "check", *words]
        ended = subprocess.run(command, cwd=DEPLOY / "prometheus", capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
