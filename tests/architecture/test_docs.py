"""The documentation is in step: generated pages with the definitions, written ones with what they speak of."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from cli.main import COMMANDS
from docs.generate.carriers_keys import CARRIER_KEYS, INBOUND_KEYS, ROUTE_KEYS
from docs.generate.pages import PAGES, REFERENCE, differing
from runtime.metrics import DEFINED
from runtime.settings import PREFIX, Settings
from schemas.carriers import Carrier, CarrierBook, Inbound, Route
from tests.unit.api.stage import Stage

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
WRITTEN = [
    *(page for page in DOCS.rglob("*.md") if page.parent != REFERENCE or page.name == "http.md"),
    ROOT / "README.md", ROOT / "CHANGELOG.md",
]  # fmt: skip
LINK = re.compile(r"\]\(([^)\s]+)\)")


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_generated_pages_are_what_the_definitions_say() -> None:
    assert not differing(), "run `python -m docs.generate`"


def test_the_reference_has_no_page_that_nobody_makes() -> None:
    assert {page.name for page in REFERENCE.glob("*.md")} == {*PAGES, "http.md"}


def links(page: Path) -> Iterator[Path]:
    """The files that a page links to."""
    for target in LINK.findall(re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)):
        if "://" not in target and not target.startswith("#"):
            yield (page.parent / unquote(target.split("#")[0])).resolve()


@pytest.mark.parametrize("page", [*WRITTEN, *REFERENCE.glob("*.md")], ids=ids)
def test_links_lead_somewhere(page: Path) -> None:
    assert [str(target) for target in links(page) if not target.exists()] == []


def test_every_page_can_be_reached_from_the_index() -> None:
    reached, fresh = set(), {DOCS / "index.md"}
    while fresh:
        reached |= fresh
        fresh = {target for page in fresh for target in links(page) if target.suffix == ".md"} - reached
    assert set(DOCS.rglob("*.md")) <= reached


@pytest.mark.parametrize("page", WRITTEN, ids=ids)
def test_a_page_names_only_commands_settings_and_metrics_that_exist(page: Path) -> None:
    text = page.read_text()
    commands = set(re.findall(r"smpp-dispatch(?: --env-file \S+)? ([a-z][a-z-]+)", text))
    assert commands <= set(COMMANDS)
    assert {name.removeprefix(PREFIX).lower() for name in re.findall(rf"{PREFIX}[A-Z_]*[A-Z]", text)} <= set(
        Settings.model_fields
    )
    known = {metric._name + ("_total" if metric._type == "counter" else "") for metric in DEFINED}
    assert set(re.findall(r"smppd_[a-z_]+[a-z]", text)) <= known


async def test_http_md_lists_every_endpoint_and_no_other() -> None:
    told = set(re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/v1/[^`?]*)`", (REFERENCE / "http.md").read_text()))
    contents = (await Stage().client_of("").get("/v1")).json()
    assert told == {(each["method"], each["path"]) for each in contents["endpoints"]}


def test_every_key_of_carriers_toml_has_a_sentence() -> None:
    for model, keys in ((Carrier, CARRIER_KEYS), (Route, ROUTE_KEYS), (Inbound, INBOUND_KEYS)):
        assert set(keys) == set(model.model_fields) - {"name"}
    assert set(CarrierBook.model_fields) == {"carriers", "routes", "inbound"}


def test_every_direct_dependency_has_its_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.split(r"[<>=\[ ]", entry)[0] for entry in wanted}
    text = (DOCS / "dependencies.md").read_text()
    told = {
        name.strip()
        for row in re.findall(r"^\| ([a-z][a-z0-9_, -]*) \|", text, re.MULTILINE)
        for name in row.split(",")
    }
    assert names == told - {"library", "client"}


def test_the_changelog_has_a_place_for_what_is_new() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text()
