"""Messages to send: generated from a mix of classes, texts and prefixes, or read from a file.

Each begins with a nonce that no other message has, so that it can be found again in a carrier's journal without any code of
the service. Generating must cost next to nothing: a message is a template with two holes, the JSON around them is ready.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from load.texts import TEXTS, segments_of
from runtime.errors import ConfigError

SIGNS: Final = "0123456789abcdefghijkmnpqrstuvwx"
"""32 of them, without those that look like others."""
_PAIRS: Final = [first + second for first in SIGNS for second in SIGNS]
_TRIPLES: Final = [(pair + sign).encode() for pair in _PAIRS for sign in SIGNS]
_RUN_SIGNS: Final = 4
NONCE_BYTES: Final = _RUN_SIGNS + 6
CYCLE: Final = 1000
"""The mix repeats after so many messages: its shares are exact in each cycle."""
_SUBSCRIBER_DIGITS: Final = {"86": 13, "49": 12, "1": 11, "44": 12, "33": 11, "34": 11, "91": 12, "55": 13, "7": 11}
_DIGITS: Final = 12
_STEP: Final = 7_919
"""Odd and not a multiple of five: counting by it visits each number of 10^n once."""

encode_json: Final = msgspec.json.Encoder().encode


class Message(NamedTuple):
    """One message: destination in digits, nonce, and the JSON of its body."""

    to: bytes
    nonce: bytes
    body: bytes


class Source(Protocol):
    """Where messages come from. `segments` is the mean of a message, None when it can't be known."""

    segments: float | None

    def take(self, most: int) -> list[Message]:
        """Up to `most` of the next messages; none when there are no more."""
        ...


class Nonces:
    """10 signs: four drawn for the run, six that count. Unique within a run for 2^30 messages."""

    def __init__(self, rng: random.Random) -> None:
        self._run = "".join(rng.choice(SIGNS) for _ in range(_RUN_SIGNS)).encode()

    def of(self, number: int) -> bytes:
        return self._run + _TRIPLES[number >> 15 & 0x7FFF] + _TRIPLES[number & 0x7FFF]


class Mix:
    """An endless source by weights. One seed, one order of kinds; nonces and numbers differ from run to run."""

    def __init__(
        self,
        classes: Mapping[str, int],
        texts: Mapping[str, int],
        prefixes: Mapping[str, int],
        sender: str,
        seed: int = 1,
        written: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """`written`: the texts of each kind; by default load.texts. Raises ConfigError for an unknown kind."""
        rng, luck = random.Random(seed), random.SystemRandom()
        known = written or TEXTS
        strange = [name for name in texts if name not in known]
        if strange:
            raise ConfigError(f"there is no kind of text {strange[0]!r}", f"there are {', '.join(known)}")
        self._nonces = Nonces(luck)
        self._count = count()
        kinds = spread(texts, CYCLE, rng)
        drawn = [known[kind][at % len(known[kind])] for at, kind in enumerate(kinds)]
        self.segments: float | None = sum(map(_segments_with_nonce, drawn)) / CYCLE
        rows = zip(spread(classes, CYCLE, rng), drawn, spread(prefixes, CYCLE, rng), strict=True)
        self._templates = [_template(cls, text, prefix, sender) for cls, text, prefix in rows]
        self._offset = luck.randrange(10**9)

    def take(self, most: int) -> list[Message]:
        templates, nonces, offset = self._templates, self._nonces.of, self._offset
        made = []
        for number in islice(self._count, most):
            prefix, size, body = templates[number % CYCLE]
            to = prefix + b"%0*d" % (size, (offset + number * _STEP) % 10**size)
            nonce = nonces(number)
            made.append(Message(to, nonce, body % (to, nonce)))
        return made


class FileMessages:
    """The messages of an NDJSON file, one after the other, each with a nonce put before its text."""

    segments: float | None = None

    def __init__(self, path: str) -> None:
        """Raises ConfigError when the file can't be read."""
        try:
            with Path(path).open("rb"):
                pass
        except OSError as fault:
            raise ConfigError(f"can't read {path}", fault.strerror or str(fault)) from None
        self._path = path
        self._nonces = Nonces(random.SystemRandom())
        self._rows = self._read()

    def take(self, most: int) -> list[Message]:
        """Raises ConfigError at a line that is no message."""
        return list(islice(self._rows, most))

    def _read(self) -> Iterator[Message]:
        with Path(self._path).open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield self._message(number, line)

    def _message(self, number: int, line: bytes) -> Message:
        try:
            row: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
            to, text = str(row["to"]), str(row["text"])
        except msgspec.MsgspecError as fault:
            raise ConfigError(f"{self._path}:{number} is no JSON object", str(fault)) from None
        except KeyError as missing:
            raise ConfigError(f"{self._path}:{number} has no {missing}", "write at least to, text and sender") from None
        nonce = self._nonces.of(number)
        digits = "".join(sign for sign in to if sign.isdigit()).removeprefix("00")
        return Message(digits.encode(), nonce, encode_json({**row, "text": f"{nonce.decode()} {text}"}))


def spread(weights: Mapping[str, int], size: int, rng: random.Random) -> list[str]:
    """`size` names in the exact shares of their weights, shuffled."""
    names: list[str] = []
    total, upto = sum(weights.values()), 0
    for name, weight in weights.items():
        upto += weight
        names += [name] * (round(size * upto / total) - len(names))
    rng.shuffle(names)
    return names


def parse_weights(flag: str, text: str) -> dict[str, int]:
    """`otp=2,notice=3`; a name without a number weighs 1. Raises ConfigError naming the flag."""
    weights: dict[str, int] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = item.partition("=")
        if number and not number.isdigit():
            raise ConfigError(f"{flag} {text}: {number!r} is no weight", "write whole numbers, like otp=2,notice=3")
        weights[name.strip()] = int(number) if number else 1
    if not sum(weights.values()):
        raise ConfigError(f"{flag} {text!r} names nothing", "write names with weights, like otp=2,notice=3")
    return {name: weight for name, weight in weights.items() if weight}


def read_texts(path: str) -> dict[str, Sequence[str]]:
    """A file with a text a line, as one kind named file. Raises ConfigError."""
    try:
        lines = [line for line in Path(path).read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(f"can't read {path}", str(fault)) from None
    if not lines:
        raise ConfigError(f"{path} has no text in it", "write a text a line")
    return {"file": lines}


def _segments_with_nonce(text: str) -> int:
    return segments_of("x" * NONCE_BYTES + " " + text)


def _template(cls: str, text: str, prefix: str, sender: str) -> tuple[bytes, int, bytes]:
    """Prefix, digits behind it, and the body with holes for number and nonce."""
    if not prefix.isdigit() or prefix.startswith("0"):
        raise ConfigError(f"--to-prefix {prefix} is no prefix", "write calling code and digits, like 86138")
    row = {"to": "+\0", "text": f"\0 {text}", "class": cls, "sender": sender}
    holes = encode_json(row).replace(b"%", b"%%").replace(b"\\u0000", b"%b")
    return prefix.encode(), _length_of(prefix) - len(prefix), holes


def _length_of(prefix: str) -> int:
    """Digits of a whole number with this prefix, in the numbering plan of its country; 12 where we don't know it."""
    lengths = (_SUBSCRIBER_DIGITS[code] for code in sorted(_SUBSCRIBER_DIGITS, reverse=True) if prefix.startswith(code))
    return max(next(lengths, _DIGITS), len(prefix) + 1)
