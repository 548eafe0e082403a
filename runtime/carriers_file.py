"""Reading carriers.toml: environment filled in, every fault told with its line and its remedy."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from runtime.errors import ConfigError
from schemas.carriers import Carrier, CarrierBook, Inbound, Route

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_TABLE = re.compile(r"^\s*\[(\[?)\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"^\s*([A-Za-z0-9_\"'-]+)\s*=")
_ROUTE = re.compile(r"route (\d+) ")


def load_carriers(path: str | Path, environ: Mapping[str, str]) -> CarrierBook:
    """The carriers, routes and inbound numbers of a file. Raises ConfigError: `file:line: what (remedy)`."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        why = fault.strerror if isinstance(fault, OSError) else "it is not UTF-8"
        raise ConfigError(
            f"can't read {path} ({why})", "set SMPPD_CARRIERS_FILE, or copy deploy/carriers.example.toml"
        ) from None
    return parse_carriers(text, environ, str(path))


def parse_carriers(text: str, environ: Mapping[str, str], name: str = "carriers.toml") -> CarrierBook:
    """As `load_carriers`, from the text."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise ConfigError(f"{name}: not TOML", str(fault)) from None
    lines = _Lines(text, name)
    data = _fill_in(data, environ, lines, ())
    try:
        return CarrierBook.model_validate(data)
    except ValidationError as fault:
        raise ConfigError("; ".join(_explain(error, lines) for error in fault.errors()[:5])) from None


def places(text: str, name: str) -> Callable[[tuple[str | int, ...]], str]:
    """A function that tells `file:line` of a key or table, as `("carriers", "alpha", "tps")` or `("routes", 0)`."""
    return _Lines(text, name).at


def _fill_in(value: Any, environ: Mapping[str, str], lines: _Lines, where: tuple[str | int, ...]) -> Any:
    """`${NAME}` of the environment in any string of the file."""
    if isinstance(value, dict):
        return {key: _fill_in(item, environ, lines, (*where, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill_in(item, environ, lines, (*where, index)) for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def variable(found: re.Match[str]) -> str:
        try:
            return environ[found[1]]
        except KeyError:
            raise ConfigError(
                f"{lines.at(where)}: the variable {found[1]} is not set",
                "export it, or put it into the environment of the process",
            ) from None

    return _VARIABLE.sub(variable, value)


def _explain(error: Any, lines: _Lines) -> str:
    where = tuple(error["loc"])
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        known = _fields_at(where)
        close = difflib.get_close_matches(str(where[-1]), known, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(known))}"
        return f"{lines.at(where)}: unknown key {where[-1]!r} ({hint})"
    if error["type"] == "missing":
        return f"{lines.at(where[:-1])}: {_dotted(where)} is missing"
    if not where and (number := _ROUTE.match(message)):
        where = ("routes", int(number[1]) - 1)
        return f"{lines.at(where)}: {message}"
    return f"{lines.at(where)}: {_dotted(where)}: {message}" if where else f"{lines.name}: {message}"


def _dotted(where: tuple[str | int, ...]) -> str:
    return ".".join(str(step + 1) if isinstance(step, int) else step for step in where)


def _fields_at(where: tuple[str | int, ...]) -> list[str]:
    """The keys that the table of `where` may have."""
    models: dict[str, type[Any]] = {"carriers": Carrier, "routes": Route, "inbound": Inbound}
    model: Any = models.get(str(where[0]), CarrierBook) if len(where) > 1 else CarrierBook
    for step in where[2:-1]:
        field = model.model_fields.get(str(step)) if hasattr(model, "model_fields") else None
        model = field.annotation if field is not None else model
    return [name for name in getattr(model, "model_fields", {}) if name != "name"]


class _Lines:
    """Where each table and key of a TOML text stands. Knows block tables, which is how carriers.toml is written;
    what is inside an inline table is told with the line of its key."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self._lines: dict[tuple[str | int, ...], int] = {}
        table: tuple[str | int, ...] = ()
        counts: dict[str, int] = {}
        for number, line in enumerate(text.splitlines(), 1):
            header = _TABLE.match(line)
            if header:
                parts = tuple(part.strip().strip("\"'") for part in header[2].split("."))
                if header[1]:
                    index = counts[parts[0]] = counts.get(parts[0], -1) + 1
                    table = (parts[0], index)
                else:
                    table = parts
                for length in range(1, len(table) + 1):
                    self._lines.setdefault(table[:length], number)
            elif key := _KEY.match(line):
                self._lines.setdefault((*table, key[1].strip("\"'")), number)

    def at(self, where: tuple[str | int, ...]) -> str:
        """`file:line` of the nearest thing known about a place."""
        for length in range(len(where), 0, -1):
            if where[:length] in self._lines:
                return f"{self.name}:{self._lines[where[:length]]}"
        return self.name
