"""What `make compile` compiles keeps to what mypyc does right: known faults of it, each seen here once."""

from __future__ import annotations

import ast
import runpy
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["smpp-dispatch"]["compiled"]
OF_OTHERS = {"Struct", "Record", "BaseModel", "TypedDict"}


@pytest.mark.parametrize("name", MODULES)
def test_exceptions_of_two_kinds_have_two_names(name: str) -> None:
    """mypyc gives a variable the type of its first `except … as`; the other exception then ends in a TypeError."""
    for function in _all(name, ast.FunctionDef, ast.AsyncFunctionDef):
        kinds: dict[str, str] = {}
        for handler in ast.walk(function):
            if isinstance(handler, ast.ExceptHandler) and handler.name and handler.type:
                kind = ast.unparse(handler.type)
                assert kinds.setdefault(handler.name, kind) == kind, f"{name}:{handler.lineno}"


@pytest.mark.parametrize("name", MODULES)
def test_nothing_is_awaited_while_an_exception_is_handled(name: str) -> None:
    """A compiled coroutine that waits there leaves its exception behind for whoever runs next, and a compiled `finally` then
    raises it instead of its own: a run of the load tool ended with the CancelledError of another."""
    for function in _all(name, ast.AsyncFunctionDef):
        for node in ast.walk(function):
            waiting = isinstance(node, ast.AsyncWith)
            if isinstance(node, ast.Try):
                handling = [*node.handlers, *node.finalbody]
                waiting = any(isinstance(each, ast.Await) for part in handling for each in ast.walk(part))
            assert not waiting, f"{name}:{getattr(node, 'lineno', 0)}"


@pytest.mark.parametrize("name", MODULES)
def test_no_class_of_another_maker(name: str) -> None:
    """mypyc drops the options of a class (`array_like=True`), and with them what msgspec makes of it."""
    for each in _all(name, ast.ClassDef):
        assert isinstance(each, ast.ClassDef)
        bases = {ast.unparse(base).split(".")[-1].split("[")[0] for base in each.bases}
        assert not each.keywords, f"{name}:{each.lineno}"
        assert not bases & OF_OTHERS, f"{name}:{each.lineno}"


@pytest.mark.parametrize("name", MODULES)
def test_a_tuple_names_no_class_below_it(name: str) -> None:
    """A NamedTuple's fields are looked up when the module is imported; a class further down makes the process crash."""
    tree = ast.parse((ROOT / name).read_text())
    lines = {each.name: each.lineno for each in tree.body if isinstance(each, ast.ClassDef)}
    for each in tree.body:
        if isinstance(each, ast.ClassDef) and any(ast.unparse(base) == "NamedTuple" for base in each.bases):
            named = {part.id for part in ast.walk(each) if isinstance(part, ast.Name)}
            assert not [one for one in named if lines.get(one, 0) > each.lineno], f"{name}:{each.lineno}"


def test_all_that_they_import_of_ours_counts_as_their_sources() -> None:
    """They hold its constants and layouts: when it changes they have to be made anew."""
    rooms = set(runpy.run_path(str(ROOT / "deploy" / "compile.py"))["ROOMS"])
    ours = {file.parent.name for file in ROOT.glob("*/__init__.py")}
    for room in rooms:
        for file in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.ImportFrom) and node.module:
                    top = node.module.split(".")[0]
                    assert top not in ours or top in rooms, f"{file}:{node.lineno}"


def _all(name: str, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
    return (node for node in ast.walk(ast.parse((ROOT / name).read_text())) if isinstance(node, kinds))
