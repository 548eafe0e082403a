"""Sealing of personal data at the edge, and the blind index that stands for a number elsewhere.

Sealed bytes are `version ‖ key id ‖ nonce ‖ ciphertext` (AES-256-GCM), over destination, sender and text together;
the message id is the associated data, so a ciphertext moved to another message does not open. Nonces are 6 random bytes
of the sealer ‖ a 6-byte counter: they repeat only if two sealers draw the same 48 bits, however many messages are sealed.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from itertools import count
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION: Final = 1
_HEADER: Final = 14  # version, key id, nonce
INDEX_BYTES: Final = 16


class SealError(ValueError):
    """Sealed bytes that no key here opens: an unknown key id, a damaged ciphertext, or another message's."""


class Content(NamedTuple):
    """What is personal in a message. `destination` is digits without a plus."""

    destination: str
    sender: str
    text: str


def parse_keys(text: str) -> dict[int, bytes]:
    """`id:base64,id:base64` (ids 1 to 255, keys of 32 bytes; the first one seals). Raises ValueError naming the fault."""
    keys: dict[int, bytes] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        number, _, encoded = item.partition(":")
        if not number.isdecimal() or not 1 <= int(number) <= 255:
            # Not shown: without its id, it may be the key itself.
            raise ValueError("a seal key is written id:base64, its id a number from 1 to 255")
        try:
            key = base64.b64decode(encoded, validate=True)
        except ValueError:
            raise ValueError(f"seal key {number} is not base64") from None
        if len(key) != 32:
            raise ValueError(f"seal key {number} has {len(key)} bytes, it needs 32")
        if int(number) in keys:
            raise ValueError(f"seal key id {number} is there twice")
        keys[int(number)] = key
    if not keys:
        raise ValueError("at least one seal key is needed, as id:base64 of 32 bytes")
    return keys


class Sealer:
    """Seals with the first key, opens with any. Not thread-safe: one a process.

    Raises SealError from `open` and `open_bytes`; sealing does not fail.
    """

    def __init__(self, keys: dict[int, bytes], entropy: bytes) -> None:
        """`entropy`: at least 6 random bytes, fresh for each process."""
        if len(entropy) < 6:
            raise ValueError("a sealer needs 6 bytes of entropy")
        current = next(iter(keys))
        self._header = bytes((VERSION, current))
        self._nonce_head = entropy[:6]
        self._counter = count()
        self._encrypt: Callable[[bytes, bytes, bytes], bytes] = AESGCM(keys[current]).encrypt
        self._openers = {number: AESGCM(key).decrypt for number, key in keys.items()}

    def seal_bytes(self, message_id: bytes, plain: bytes) -> bytes:
        nonce = self._nonce_head + next(self._counter).to_bytes(6, "big")
        return self._header + nonce + self._encrypt(nonce, plain, message_id)

    def open_bytes(self, message_id: bytes, sealed: bytes) -> bytes:
        if len(sealed) < _HEADER + 16 or sealed[0] != VERSION:
            raise SealError("not sealed by a version that this release knows")
        opener = self._openers.get(sealed[1])
        if opener is None:
            raise SealError(f"sealed with key {sealed[1]}, which SMPPD_SEAL_KEYS does not hold")
        try:
            return opener(sealed[2:_HEADER], sealed[_HEADER:], message_id)
        except InvalidTag:
            raise SealError("the sealed bytes are damaged or belong to another message") from None

    def seal(self, message_id: bytes, destination: str, sender: str, text: str) -> bytes:
        to, by = destination.encode(), sender.encode()
        return self.seal_bytes(message_id, bytes((len(to), len(by))) + to + by + text.encode())

    def open(self, message_id: bytes, sealed: bytes) -> Content:
        plain = self.open_bytes(message_id, sealed)
        first = 2 + plain[0]
        second = first + plain[1]
        return Content(plain[2:first].decode(), plain[first:second].decode(), plain[second:].decode())


class BlindIndex:
    """A keyed hash of a number: same number, same index, and no way back without the key.

    The service-wide index is the key of Kafka records and picks the partition; Postgres holds one per account, so that
    two accounts' rows can't be linked.
    """

    def __init__(self, key: bytes) -> None:
        """`key`: 16 to 64 bytes (SMPPD_INDEX_KEY). Raises ValueError when it is shorter or longer."""
        if not 16 <= len(key) <= 64:
            raise ValueError(f"the index key has {len(key)} bytes, it needs 16 to 64")
        self.key = key
        self._service = hashlib.blake2b(key=key, digest_size=INDEX_BYTES, person=b"service")
        self._accounts: dict[str, hashlib.blake2b] = {}

    def of(self, digits: str) -> bytes:
        """The service-wide index of a number."""
        state = self._service.copy()
        state.update(digits.encode())
        return state.digest()

    def of_account(self, account: str, digits: str) -> bytes:
        """The index of a number as this account's rows hold it."""
        state = self._accounts.get(account)
        if state is None:
            own = hashlib.blake2b(account.encode(), key=self.key, digest_size=32, person=b"account").digest()
            state = self._accounts[account] = hashlib.blake2b(key=own, digest_size=INDEX_BYTES)
        state = state.copy()
        state.update(digits.encode())
        return state.digest()


def partition_of(index: bytes, partitions: int) -> int:
    """The partition of a destination, by its service-wide index."""
    return int.from_bytes(index[:4], "big") % partitions


def check_of(index: bytes) -> int:
    """Fifteen bits of the service-wide index, kept beside a submission: enough to refuse a false match, too few to link."""
    return int.from_bytes(index[4:6], "big") & 0x7FFF


def masked(number: str) -> str:
    """A number as logs may show it: `+861380****000`. At least three digits are hidden, all of a number below 8."""
    digits = number.lstrip("+")
    if len(digits) < 8:
        return "****"
    if len(digits) < 11:
        return f"+{digits[:2]}****{digits[-2:]}"
    return f"+{digits[: min(6, len(digits) - 6)]}****{digits[-3:]}"
