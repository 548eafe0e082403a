"""carriers.toml and the simulator's scenario for simulated carriers: two sides of one contract."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

NAMES: Final = (
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi",
    "omicron", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
)  # fmt: skip
PASSWORD: Final = "secret"
_HEAD: Final = "# Written by `smpp-dispatch dev`: simulated carriers. Changes are lost at the next start.\n"


@dataclass(frozen=True)
class Simulated:
    """One simulated carrier. `options` are further keys of its table in carriers.toml, as CONTRACT names them."""

    name: str
    tps: int = 500
    lanes: int = 2
    window: int = 50
    partitions: int = 12
    weight: int = 1
    options: Mapping[str, Any] | None = None

    def table(self, port: int) -> str:
        """Its table in carriers.toml."""
        known: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": port,
            "system_id": self.name,
            "password": PASSWORD,
            "lanes": self.lanes,
            "partitions": self.partitions,
            "tps": self.tps,
            "window": self.window,
            "enquire_link_s": 10,
            "price": "0.032",
            "test": True,
            "in_doubt": {"otp": "resend", "notice": "resend", "marketing": "resend"},
            **(self.options or {}),
        }
        rows = "".join(f"{key} = {written(value)}\n" for key, value in known.items())
        return f"[carriers.{self.name}]\n{rows}"


def simulated(count: int, tps: int, lanes: int, window: int) -> list[Simulated]:
    """The first `count` of NAMES, all alike."""
    return [Simulated(name, tps, lanes, window) for name in NAMES[:count]]


def carriers_toml(carriers: Sequence[Simulated], port: int) -> str:
    """All carriers at one simulator, and one route over all of them."""
    weights = {carrier.name: carrier.weight for carrier in carriers}
    route = f'[[routes]]\nprefix = ""\ncarriers = {written(weights)}\n'
    return _HEAD + "\n".join([*(carrier.table(port) for carrier in carriers), route])


def scenario_json(carriers: Sequence[Simulated], base: Mapping[str, Any]) -> str:
    """The same carriers as the simulator knows them. `base`: what holds for all, as in simulator/scenario.py."""
    accounts = {carrier.name: {"password": PASSWORD, "tps": carrier.tps} for carrier in carriers}
    given = base.get("accounts", {})
    merged = {name: {**account, **given.get(name, {})} for name, account in accounts.items()}
    return json.dumps({**base, "accounts": merged}, indent=2) + "\n"


def written(value: Any) -> str:
    """A TOML value. Raises TypeError for what carriers.toml has no use for."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {written(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(written, value)) + "]"
    raise TypeError(f"{type(value).__name__} is no TOML value")
