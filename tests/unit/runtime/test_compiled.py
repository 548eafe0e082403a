"""Compiled modules are taken when they are there, of these sources and of this Python; and never beside their own sources."""

from __future__ import annotations

import json
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from runtime import compiled
from runtime.compiled import Finder, digest, unfit, use
from runtime.errors import ConfigError

SUFFIX = EXTENSION_SUFFIXES[0]


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "state", compiled.state)
    monkeypatch.setattr(sys, "meta_path", [each for each in sys.meta_path if not isinstance(each, Finder)])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One room with one module, compiled."""
    (tmp_path / "yard").mkdir()
    (tmp_path / "yard" / "gate.py").write_text("OPEN = 1\n")
    place = tmp_path / compiled.PLACE
    (place / "yard").mkdir(parents=True)
    (place / "yard" / f"gate{SUFFIX}").write_bytes(b"")
    (place / f"abc__mypyc{SUFFIX}").write_bytes(b"")
    stamp = {"suffix": SUFFIX, "rooms": ["yard"], "sources": digest(tmp_path, ["yard"])}
    (place / compiled.STAMP).write_text(json.dumps(stamp))
    return tmp_path


def test_what_is_there_and_up_to_date_is_taken(root: Path) -> None:
    use({}, root)
    assert compiled.state == "yes: 2 modules"
    finder = sys.meta_path[0]
    assert isinstance(finder, Finder)
    spec = finder.find_spec("yard.gate", None)
    assert spec is not None
    assert spec.origin == str(root / compiled.PLACE / "yard" / f"gate{SUFFIX}")
    assert finder.find_spec("yard", None) is None
    assert finder.names == {"yard.gate", "abc__mypyc"}


def test_once_taken_it_stays(root: Path) -> None:
    use({}, root)
    use({compiled.SETTING: "no"}, root)
    assert compiled.state == "yes: 2 modules"
    assert sum(isinstance(each, Finder) for each in sys.meta_path) == 1


@pytest.mark.parametrize("source", ["OPEN = 2\n", ""])
def test_other_sources_are_not_what_was_compiled(root: Path, source: str) -> None:
    (root / "yard" / "gate.py").write_text(source)
    use({}, root)
    assert compiled.state == "no: compiled from other sources"


def test_a_module_more_is_another_source(root: Path) -> None:
    (root / "yard" / "wall.py").write_text("")
    assert unfit(root) == "compiled from other sources"


def test_another_python_needs_its_own(root: Path) -> None:
    stamp = root / compiled.PLACE / compiled.STAMP
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "suffix": ".cpython-39.so"}))
    assert unfit(root) == "compiled for another Python"


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]"])
def test_half_a_build_is_none(root: Path, content: bytes | None) -> None:
    stamp = root / compiled.PLACE / compiled.STAMP
    stamp.unlink() if content is None else stamp.write_bytes(content)
    use({}, root)
    assert compiled.state == "no: nothing is compiled"


def test_it_can_be_left_out(root: Path) -> None:
    use({compiled.SETTING: "no"}, root)
    assert compiled.state == "no: SMPPD_COMPILED=no"
    assert not any(isinstance(each, Finder) for each in sys.meta_path)


def test_who_wants_it_is_told_why_not(root: Path) -> None:
    (root / "yard" / "gate.py").write_text("")
    with pytest.raises(ConfigError, match=r"compiled from other sources: `make compile`"):
        use({compiled.SETTING: "yes"}, root)


def test_another_wish_is_refused(root: Path) -> None:
    with pytest.raises(ConfigError, match="it is yes, no or auto"):
        use({compiled.SETTING: "1"}, root)


def test_a_module_is_not_there_twice(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yard.gate", sys)
    with pytest.raises(RuntimeError, match=r"imported before .*yard\.gate"):
        use({}, root)
