"""Every topic has writers and readers, and they are what the definition says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from schemas.topics import Topics, TopicSpec

ROOT = Path(__file__).resolve().parents[2]
# Named in the definition where their place is; the issues that fill them bring them.
TO_COME = {"webhooks"}
# How code names a topic, by what the name of the topic begins with.
ACCESSORS = {
    "outcomes": "outcomes", "mt": "mt", "intake": "intake", "mo": "mo", "reference": "reference",
    "carrier-status": "carrier_status", "dead-letters": "dead_letters",
}  # fmt: skip
SPECS = Topics("").all([("alpha", 12)])


def roles_that_name(accessor: str) -> set[str]:
    """Folders whose code speaks of a topic: `topics.mt(`, `Topics(prefix).reference`."""
    pattern = re.compile(rf"[Tt]opics(\([^)]*\))?\.{accessor}\b")
    files = (
        file
        for file in ROOT.glob("*/**/*.py")
        if not file.relative_to(ROOT).parts[0].startswith((".", "tests", "bench"))
    )
    return {file.relative_to(ROOT).parts[0] for file in files if pattern.search(file.read_text())}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_topic_has_writers_and_readers_that_exist(spec: TopicSpec) -> None:
    there = {folder.name for folder in ROOT.iterdir() if (folder / "__init__.py").exists()}
    for roles in (spec.writers, spec.readers):
        assert set(roles) <= there | TO_COME
        assert set(roles) & there, f"nobody that exists: {roles}"


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_the_named_roles_speak_of_their_topics_and_no_others_do(spec: TopicSpec) -> None:
    named = {*spec.writers, *spec.readers} - TO_COME
    found = roles_that_name(ACCESSORS[spec.name.split(".")[0]])
    # Operators' commands may look at anything, the definition itself names all, and drills look from outside.
    assert found - named <= {"cli", "dev", "schemas"}
    assert named <= found
