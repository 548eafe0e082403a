"""Receipts as carriers and SMPP stacks send them, one file each with a note of what is odd: all must be read as told."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from smpp.receipt import done_ms, looks_like_receipt, parse

CORPUS = Path(__file__).parents[2] / "corpus" / "receipts"
FILES = sorted(CORPUS.glob("*.json"))


def _load(path: Path) -> dict[str, Any]:
    case: dict[str, Any] = json.loads(path.read_text())
    text = case.get("short_message")
    case["octets"] = bytes.fromhex(case["short_message_hex"]) if text is None else text.encode("latin-1")
    case["tlvs"] = {int(tag, 16): bytes.fromhex(value) for tag, value in case["tlvs"].items()}
    return case


def test_the_corpus_is_there() -> None:
    assert len(FILES) >= 40
    assert all(_load(path)["note"] for path in FILES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_receipt_is_read_as_its_file_says(path: Path) -> None:
    case = _load(path)
    receipt = parse(case["octets"], case["tlvs"])
    if case["expect"] is None:
        assert receipt is None
        return
    assert receipt is not None
    expect = dict(case["expect"])
    done_at = expect.pop("done_at")
    told = receipt._asdict() | {"state": None if receipt.state is None else receipt.state.name}
    assert told == expect
    millis = done_ms(receipt.done_date, ZoneInfo(case.get("zone", "UTC")))
    assert millis == (0 if done_at is None else int(datetime.fromisoformat(done_at).timestamp()) * 1000)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_text_looks_like_a_receipt_as_its_file_says(path: Path) -> None:
    case = _load(path)
    assert looks_like_receipt(case["octets"]) is case["looks_like_receipt"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_receipt_read_as_text_says_the_same(path: Path) -> None:
    case = _load(path)
    assert parse(case["octets"].decode("latin-1"), case["tlvs"]) == parse(case["octets"], case["tlvs"])
