"""Files that can't be read end in one line; the auditor needs nothing of ours."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import auditor
from auditor.__main__ import main, told
from auditor.books import lines_of
from tests.unit.auditor.books import Books


def test_it_imports_nothing_of_the_service() -> None:
    folder = Path(auditor.__file__).parent
    allowed = {*sys.stdlib_module_names, "asyncpg", "auditor"}
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert {name.partition(".")[0] for name in names} <= allowed, file


def run(*words: str) -> int:
    return main([*words, "--dsn", "postgresql://127.0.0.1:1/none"])


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--book", str(tmp_path / "none"), "--journal", str(tmp_path / "none")) == 1
    assert capsys.readouterr().err.startswith(f"auditor: can't read {tmp_path / 'none'}: No such file")


def test_a_line_that_is_no_book_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = tmp_path / "book"
    book.write_text('{"id":"x","to":"+1","nonce":"k"}\n{"what":1}\n')
    assert run("--book", str(book), "--journal", str(book)) == 1
    assert capsys.readouterr().err == f"auditor: {book}:2 is no line of a client's book\n"


def test_a_last_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    book = tmp_path / "book"
    book.write_text('{"id":"x"}\n{"id":"cut')
    assert list(lines_of(str(book))) == [(1, {"id": "x"})]


def test_postgres_away_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book, journal = Books(tmp_path).write()
    assert run("--book", book, "--journal", journal) == 1
    assert capsys.readouterr().err.startswith("auditor: Postgres can't be read: ")


def test_the_verdict_names_faults_and_offenders(tmp_path: Path) -> None:
    books = Books(tmp_path)
    books.accept("aaaa0001")
    text = told(books.verdict())
    assert "BAD lost" in text
    assert "8613800000001 aaaa0001           no row" in text
    assert text.endswith("THE BOOKS DO NOT AGREE")
