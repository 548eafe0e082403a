"""Records that no version of this service can read: set aside in Kafka, never skipped silently.

  smpp-dispatch dead-letters list                 what there is, newest last
  smpp-dispatch dead-letters show NUMBER          one of them, with its bytes
  smpp-dispatch dead-letters show NUMBER --raw    the bytes alone, on stdout: for a file, or `| xxd`

NUMBER is the offset in the topic `dead-letters`, as the list shows it. docs/runbooks/dead-letters.md tells what to do.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import sys
from typing import Any, NamedTuple

from bus.ports import StoredRecord
from cli.columns import columns
from cli.command import Context, print_json
from cli.topic_reading import read_topic
from runtime.errors import ConfigError
from runtime.logs import configure_logs
from schemas.codec import RecordError, decode_dead_letter
from schemas.ids import rfc3339
from schemas.records import DeadLetter
from schemas.topics import Topics

HELP = "records that could not be read"


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="all that are kept")
    show = actions.add_parser("show", help="one of them")
    show.add_argument("number", metavar="NUMBER", type=int, help="as the list shows it")
    show.add_argument("--raw", action="store_true", help="write the record's bytes to stdout, nothing else")
    for action in (listing, show):
        action.add_argument("--json", action="store_true", help="as JSON; bytes in base64")


class Letter(NamedTuple):
    """A dead letter and its place. `letter` is None when it can't be read itself."""

    number: int
    at_ms: int
    letter: DeadLetter | None

    def as_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"number": self.number, "at": rfc3339(self.at_ms)}
        if self.letter is None:
            return {**told, "reason": "the dead letter itself can't be read by this release"}
        key, value = self.letter.key, self.letter.value
        return {
            **told,
            "topic": self.letter.topic,
            "partition": self.letter.partition,
            "offset": self.letter.offset,
            "reason": self.letter.reason,
            "bytes": len(value),
            "key": None if key is None else base64.b64encode(key).decode(),
            "value": base64.b64encode(value).decode(),
        }


def letter_of(record: StoredRecord) -> Letter:
    """What a record of `dead-letters` holds."""
    try:
        found = decode_dead_letter(record.value or b"")
    except RecordError:
        return Letter(record.offset, record.timestamp, None)
    return Letter(record.offset, found.at_ms, found)


def run(args: argparse.Namespace, context: Context) -> int:
    configure_logs("error", "dead-letters", str(os.getpid()))
    topic = Topics(context.settings.topic_prefix).dead_letters
    letters = [letter_of(record) for record in asyncio.run(read_topic(context.settings, topic))]
    return _list(letters, args.json) if args.action == "list" else _show(letters, args)


def _list(letters: list[Letter], as_json: bool) -> int:
    shown = [letter.as_json() for letter in letters]
    if as_json:
        print_json(shown)
    elif not shown:
        print("there are none")
    else:
        names = ("number", "at", "topic", "partition", "offset", "bytes", "reason")
        print(columns([name.upper() for name in names], [[each.get(name) for name in names] for each in shown]))
    return 0


def _show(letters: list[Letter], args: argparse.Namespace) -> int:
    found = next((letter for letter in letters if letter.number == args.number), None)
    if found is None:
        raise ConfigError(
            f"there is no dead letter {args.number}", "`smpp-dispatch dead-letters list` shows what there is"
        )
    if args.raw:
        sys.stdout.buffer.write(found.letter.value if found.letter else b"")
        return 0
    shown = found.as_json()
    if args.json:
        print_json(shown)
        return 0
    for name, value in shown.items():
        if name not in ("key", "value"):
            print(f"{name:<10} {value}")
    if found.letter is not None:
        print(f"{'key':<10} {(found.letter.key or b'').hex()}")
        print(_dump(found.letter.value))
    return 0


def _dump(value: bytes) -> str:
    """Offset, hex and ASCII, sixteen bytes a line."""
    lines = []
    for start in range(0, len(value), 16):
        chunk = value[start : start + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in chunk)
        lines.append(f"{start:08x}  {chunk.hex(' '):<47}  {text}")
    return "\n".join(lines)
