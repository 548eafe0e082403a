"""Which Java is taken."""

from __future__ import annotations

from pathlib import Path

from runtime.local.java import find_java, java_version

NOTHING = {"PATH": "/nonexistent"}


def jdk(root: Path, name: str, version: str | None) -> Path:
    """A folder that looks like a JDK; without a version, like a shim that must be asked."""
    program = root / name / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho 'openjdk version \"21.0.1\" 2023-10-17' >&2\n")
    program.chmod(0o755)
    if version is not None:
        (root / name / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\nJAVA_VERSION_DATE="2025"\n')
    return program


def test_versions_are_read_from_the_release_file(tmp_path: Path) -> None:
    assert java_version(jdk(tmp_path, "a", "17.0.15")) == 17
    assert java_version(jdk(tmp_path, "b", "25")) == 25
    assert java_version(jdk(tmp_path, "c", "1.8.0_392")) == 8


def test_a_java_without_release_file_is_asked(tmp_path: Path) -> None:
    assert java_version(jdk(tmp_path, "shim", None)) == 21


def test_what_is_no_java_has_version_0(tmp_path: Path) -> None:
    assert java_version(tmp_path / "bin" / "java") == 0


def test_java_home_outranks_path_and_both_outrank_the_newest_installed(tmp_path: Path) -> None:
    home, path = jdk(tmp_path, "home", "17.0.1"), jdk(tmp_path, "path", "21.0.1")
    newest = jdk(tmp_path / "jvm", "new", "25.0.3")
    environ = {"JAVA_HOME": str(home.parents[1]), "PATH": str(path.parent)}
    assert find_java(environ, tmp_path / "jvm") == home
    assert find_java({"PATH": str(path.parent)}, tmp_path / "jvm") == path
    assert find_java(NOTHING, tmp_path / "jvm") == newest


def test_one_that_is_too_old_is_passed_over(tmp_path: Path) -> None:
    old = jdk(tmp_path, "old", "11.0.2")
    jdk(tmp_path / "jvm", "a", "11.0.2")
    good = jdk(tmp_path / "jvm", "b", "17.0.2")
    assert find_java({"JAVA_HOME": str(old.parents[1]), "PATH": ""}, tmp_path / "jvm") == good


def test_none_is_found_where_there_is_none(tmp_path: Path) -> None:
    assert find_java(NOTHING, tmp_path) is None
