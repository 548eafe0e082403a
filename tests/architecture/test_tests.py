"""Every test asserts something: by itself, or through what it calls."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
# Calls that fail a test by themselves.
ASSERTING = {"raises", "fail", "assert_called_once_with", "run_state_machine_as_test", "conform"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def functions() -> dict[str, list[Function]]:
    """All functions and methods below tests/, by name."""
    found: dict[str, list[Function]] = {}
    for file in TESTS.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, Function):
                found.setdefault(node.name, []).append(node)
    return found


def called(node: Function) -> Iterator[str]:
    """Names of what a function calls, or hands on to be called."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            yield inner.id
        elif isinstance(inner, ast.Attribute):
            yield inner.attr


def asserts(node: Function, seen: frozenset[str] = frozenset()) -> bool:
    if any(isinstance(inner, ast.Assert) for inner in ast.walk(node)):
        return True
    names = set(called(node)) - seen
    if names & ASSERTING:
        return True
    further = seen | names
    return any(asserts(other, further) for name in names for other in functions().get(name, ()) if other is not node)


def test_every_test_asserts() -> None:
    silent = [
        f"{file.relative_to(TESTS)}: {node.name}"
        for file in sorted(TESTS.rglob("test_*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, Function) and node.name.startswith("test_") and not asserts(node)
    ]
    assert silent == []
