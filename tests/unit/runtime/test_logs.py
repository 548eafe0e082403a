"""Log lines: JSON, with numbers masked and secrets left out, whoever writes them."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from runtime.logs import configure_logs, logger

NUMBER = "+8613800000000"
MASKED = "+861380****000"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What goes to stderr once logs are configured; everything is put back after the test."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logs("info", "dispatcher", "d-1")
    yield stream
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def told(lines: io.StringIO) -> dict[str, Any]:
    (line,) = lines.getvalue().splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_line_is_json_with_time_level_role_and_instance(lines: io.StringIO) -> None:
    logger("some.room").info("bound", carrier="alpha", lane=3)
    line = told(lines)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "bound",
        "level": "info",
        "role": "dispatcher",
        "instance": "d-1",
        "carrier": "alpha",
        "lane": 3,
    }


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("to", NUMBER, MASKED),
        ("to", "8613800000000", MASKED),
        ("to", 8613800000000, MASKED),
        ("to", "4912345", "****"),
        ("to", "8613800000000abc", "+861380****000abc"),
        ("to", "a:8613800000000", "a:+861380****000"),
        ("to", "86138000000001234567", "+861380****567"),
        ("to", [NUMBER, "8613900000000"], [MASKED, "+861390****000"]),
        ("from", "Acme", "Acme"),
        ("number", 3, 3),
        ("source", True, True),
        ("fault", f"no route to {NUMBER}", f"no route to {MASKED}"),
        ("offset", 1_790_000_000_000, 1_790_000_000_000),
        ("detail", "offset 1790000000000", "offset 1790000000000"),
        ("message", {"to": NUMBER, "text": "hi", "id": "x"}, {"to": MASKED, "text": "***", "id": "x"}),
        ("messages", ({"to": NUMBER},), [{"to": MASKED}]),
        ("password", "hunter2", "***"),
        ("Authorization", "Bearer x", "***"),
        ("text", "your code is 1234", "***"),
        ("seal_keys", None, "***"),
        ("headers", {"authorization": "Bearer x"}, {"authorization": "***"}),
        ("fault", "refused sk_live_abcDEF123_x", "refused sk_live_***"),
        ("fault", "at postgresql://user:hunter2@db/x", "at postgresql://user:***@db/x"),
    ],
)
def test_personal_data_and_secrets_do_not_show(lines: io.StringIO, key: str, value: object, shown: object) -> None:
    logger("x").warning("something", **{key: value})
    assert told(lines)[key] == shown


def test_lines_of_libraries_are_json_and_masked_too(lines: io.StringIO) -> None:
    logging.getLogger("some.library").warning("sent to %s", NUMBER)
    line = told(lines)
    assert line["event"] == f"sent to {MASKED}"
    assert (line["logger"], line["level"], line["role"]) == ("some.library", "warning", "dispatcher")


def test_failures_come_with_their_traceback_in_the_same_line(lines: io.StringIO) -> None:
    try:
        raise ValueError(f"bad number {NUMBER}")
    except ValueError:
        logger("x").exception("failed")
    line = told(lines)
    assert "ValueError" in line["exception"]
    assert NUMBER not in line["exception"]


def test_what_is_below_the_level_is_not_written(lines: io.StringIO) -> None:
    logger("x").debug("nothing")
    logging.getLogger("aiokafka").error("retrying")
    logging.getLogger("asyncio").info("slow")
    assert lines.getvalue() == ""
