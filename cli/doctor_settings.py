"""Settings, keys and carriers.toml."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cli.carriers_check import findings as carriers_findings
from cli.command import Context
from cli.findings import Finding
from runtime.carriers_file import load_carriers
from runtime.errors import ConfigError
from runtime.settings import PREFIX, Settings
from schemas.carriers import CarrierBook
from schemas.sealing import parse_keys

TYPICAL_LATENCY_S = 0.1


def settings_findings(context: Context) -> tuple[list[Finding], Settings | None, CarrierBook | None]:
    """Findings, and what could be read: None for what could not."""
    try:
        settings = context.settings
    except ConfigError as fault:
        return [Finding("error", "settings", str(fault), "docs/reference/settings.md lists all")], None, None
    given = sorted(name for name in settings.model_fields_set)
    found = [Finding("ok", "settings", f"{len(given)} given, the others at their defaults")]
    found += _of_keys(settings)
    found += _of_write_log(settings)
    if "instance_id" not in settings.model_fields_set:
        what = f"SMPPD_INSTANCE_ID is this machine's name, {settings.instance_id}"
        found.append(
            Finding("note", "settings", what, "set one for each process when a machine runs several of a role")
        )
    try:
        book = load_carriers(settings.carriers_file, context.environ)
    except ConfigError as fault:
        return [*found, Finding("error", "carriers", str(fault))], settings, None
    return [*found, *_of_carriers(settings.carriers_file, book)], settings, book


def _of_keys(settings: Settings) -> Iterator[Finding]:
    for name, value in (("SEAL_KEYS", settings.seal_keys), ("INDEX_KEY", settings.index_key)):
        if not value:
            remedy = "`smpp-dispatch keys generate` prints a new one; every role needs the same"
            yield Finding("error", "keys", f"{PREFIX}{name} is not set: api and dispatcher will not start", remedy)
    if settings.seal_keys:
        numbers = list(parse_keys(settings.seal_keys))
        yield Finding("ok", "keys", f"seal key {numbers[0]} seals, {', '.join(map(str, numbers))} open")


def _of_write_log(settings: Settings) -> Iterator[Finding]:
    if settings.write_log and not os.access(Path(settings.write_log).resolve().parent, os.W_OK):
        yield Finding(
            "error", "settings", f"SMPPD_WRITE_LOG {settings.write_log} can't be written", "name another file"
        )


def _of_carriers(path: str, book: CarrierBook) -> Iterator[Finding]:
    found = carriers_findings(Path(path).read_text(), path, book, TYPICAL_LATENCY_S)
    yield from (finding for finding in found if finding.level == "error")
    warnings = sum(finding.level == "warning" for finding in found)
    what = f"{path} has {len(book.carriers)} carriers and {len(book.routes)} routes"
    if warnings:
        yield Finding(
            "warning", "carriers", f"{what}, and {warnings} warnings", f"`smpp-dispatch carriers check {path}`"
        )
    else:
        yield Finding("ok", "carriers", what)
