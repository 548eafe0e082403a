"""Ports by name, kept in a file: the same ones run after run, as long as nobody else has taken them."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path

from runtime.local.ports import HOST, free_port


class Ports:
    """`wanted`: what to try first for a name that has no port yet."""

    def __init__(self, file: Path, wanted: Mapping[str, int] | None = None) -> None:
        self._file = file
        self._wanted = wanted or {}
        try:
            kept = json.loads(file.read_text())
            self._kept = {str(name): int(port) for name, port in kept.items()}
        except (OSError, ValueError, AttributeError):
            self._kept = {}
        self._given: dict[str, int] = {}

    def port(self, name: str) -> int:
        """The port of a name; free when this is first asked in this process. Raises UnavailableError."""
        if name not in self._given:
            known = self._kept.get(name) or self._wanted.get(name)
            fits = known is not None and known not in self._given.values() and is_free(known)
            self._given[name] = known if fits and known is not None else free_port()
            self._kept[name] = self._given[name]
            self._file.write_text(json.dumps(self._kept, indent=2) + "\n")
        return self._given[name]


def is_free(port: int) -> bool:
    """Whether a server could listen there now. Connections of an earlier run that are still closing don't count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((HOST, port))
        except OSError:
            return False
        return True
