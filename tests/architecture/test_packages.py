"""The packages are ours, all of them are listed, and nothing installed shares their names."""

from __future__ import annotations

import configparser
import importlib
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LISTED: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
TOP = sorted({name.split(".")[0] for name in LISTED})
# Not installed: run from the repository, by developers.
BESIDE = {"bench", "docs", "tests"}


@pytest.mark.parametrize("name", LISTED)
def test_a_package_is_the_one_in_this_repository(name: str) -> None:
    found = importlib.import_module(name).__file__
    assert found is not None
    assert Path(found).resolve() == ROOT / name.replace(".", "/") / "__init__.py"


@pytest.mark.parametrize("name", LISTED)
def test_a_package_says_what_it_owns(name: str) -> None:
    assert importlib.import_module(name).__doc__


def test_every_folder_of_code_is_listed() -> None:
    folders = {
        str(file.parent.relative_to(ROOT)).replace("/", ".")
        for top in ROOT.iterdir()
        if top.is_dir() and not top.name.startswith(".") and top.name not in BESIDE | {"deploy", "var", "build"}
        for file in top.rglob("*.py")
    }
    assert folders == set(LISTED)


def test_nothing_installed_brings_our_names() -> None:
    ours = {*TOP, *BESIDE}
    taken: dict[str, str] = {}
    for distribution in distributions():
        if distribution.metadata["Name"] != "smpp-dispatch":
            tops = {Path(str(file)).parts[0].removesuffix(".py") for file in distribution.files or ()}
            taken |= dict.fromkeys(tops & ours, distribution.metadata["Name"])
    assert not taken


def test_the_import_rules_know_every_package() -> None:
    rules = configparser.ConfigParser()
    rules.read(ROOT / ".importlinter")
    assert rules["importlinter"]["root_packages"].split() == TOP
    in_layers = rules["importlinter:contract:layers"]["layers"].replace("|", " ").split()
    assert sorted(in_layers) == TOP
