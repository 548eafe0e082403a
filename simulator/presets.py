"""Scenarios with names: limits of real carriers, known in the field. Reading of scenario files and of --account."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from runtime.errors import ConfigError
from simulator.scenario import Scenario, first_fault, merged

PRESETS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "fast": ("No latency, receipts at once: for benchmarks.", {}),
    "typical": (
        "Answers after 20 to 80 ms, receipts after 1 to 5 s, 3 % of them bad.",
        {
            "latency": {"kind": "uniform", "low_s": 0.02, "high_s": 0.08},
            "receipts": {
                "delay": {"kind": "uniform", "low_s": 1, "high_s": 5},
                "states": {"DELIVRD": 0.97, "UNDELIV": 0.02, "EXPIRED": 0.01},
            },
        },
    ),
    "hex-dec": (
        "2 binds, 30 segments a second, the id hex in the response and decimal in the receipt.",
        {"max_binds": 2, "tps": 30, "message_id_form": "hex-dec", "latency": 0.03, "receipts": {"delay": 1}},
    ),
    "spread": (
        "4 sessions, receipts spread over all of them.",
        {"max_binds": 4, "latency": 0.03, "receipts": {"delay": 1, "bind": "spread"}},
    ),
    "window20": (
        "At most 20 submits without a response.",
        {"window": 20, "latency": 0.05, "receipts": {"delay": 1}},
    ),
    "idle-drop": ("A bind that is silent for 5 minutes is dropped.", {"idle_drop_s": 300, "enquire_link_s": 0}),
}
_OPTION: Final = re.compile(r"([1-9][0-9]{0,7})(tps|binds)")


def expand(data: dict[str, Any]) -> dict[str, Any]:
    """A scenario's table with its preset merged in. Raises ValueError for an unknown preset."""
    name = data.get("preset")
    if name is None:
        return data
    if name not in PRESETS:
        near = difflib.get_close_matches(str(name), PRESETS, 1)
        raise ValueError(
            f"no preset {name!r}; " + (f"did you mean {near[0]}?" if near else f"there are {', '.join(PRESETS)}")
        )
    return merged(PRESETS[name][1], data)


def scenario_of(data: dict[str, Any], accounts: dict[str, dict[str, Any]]) -> Scenario:
    """A scenario from a table, with accounts given elsewhere laid under its own. Raises ValueError, one line."""
    try:
        return Scenario.model_validate(merged({"accounts": accounts}, expand(data)))
    except ValidationError as fault:
        raise ValueError(first_fault(fault)) from None


def read_scenario(source: str | None) -> dict[str, Any]:
    """The table of a file (.json or .toml) or of `preset:NAME`; empty without a source. Raises ConfigError."""
    if source is None:
        return {}
    if source.startswith("preset:"):
        return {"preset": source.removeprefix("preset:")}
    try:
        text = Path(source).read_text()
        data = tomllib.loads(text) if source.endswith(".toml") else json.loads(text)
    except OSError as fault:
        raise ConfigError(f"can't read the scenario {source}", fault.strerror or str(fault)) from None
    except ValueError as fault:
        raise ConfigError(f"the scenario {source} is neither JSON nor TOML (.toml)", str(fault)) from None
    if not isinstance(data, dict):
        raise ConfigError(f"the scenario {source} is not a table", "write an object at the top level")
    return data


def parse_accounts(flags: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Overrides by system_id from `system_id:password[:500tps][:2binds]`. Raises ConfigError."""
    accounts: dict[str, dict[str, Any]] = {}
    for flag in flags:
        system_id, *rest = flag.split(":")
        given: dict[str, Any] = {}
        while len(rest) > 1 and (option := _OPTION.fullmatch(rest[-1])):
            given["tps" if option[2] == "tps" else "max_binds"] = int(option[1])
            rest.pop()
        if not system_id or not rest:
            raise ConfigError(f"--account {flag} is wrong", "write system_id:password[:500tps][:2binds]")
        accounts[system_id] = {"password": ":".join(rest), **given}
    return accounts
