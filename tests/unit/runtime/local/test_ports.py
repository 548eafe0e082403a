"""Ports that are handed out are free, different, and out of reach of outgoing connections."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from runtime.errors import UnavailableError
from runtime.local import ports


def test_ports_taken_together_and_later_all_differ() -> None:
    taken = ports.free_ports(20) + ports.free_ports(20)
    assert len(set(taken)) == 40


def test_a_port_can_be_listened_on() -> None:
    with socket.create_server((ports.HOST, ports.free_port())) as server:
        assert server.getsockname()[1] > 0


def test_ports_lie_below_those_of_outgoing_connections(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    range_file = tmp_path / "range"
    range_file.write_text("20000\t60999\n")
    monkeypatch.setattr(ports, "_EPHEMERAL", range_file)
    assert all(ports.LOWEST <= port < 20_000 for port in ports.free_ports(50))


def test_where_the_range_is_unknown_the_kernel_picks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ports, "_EPHEMERAL", tmp_path / "missing")
    assert len(set(ports.free_ports(5))) == 5


def test_a_port_in_use_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((ports.HOST, 0)) as busy:
        wanted = iter([busy.getsockname()[1], ports.free_port()])
        monkeypatch.setattr("random.randrange", lambda *_: next(wanted, None) or 1)
        monkeypatch.setattr(ports, "TRIES", 2)
        # The busy one is refused, and so is the one that was given out before.
        with pytest.raises(UnavailableError, match="free ports"):
            ports.free_port()
