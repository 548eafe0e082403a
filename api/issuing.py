"""Making and revoking API keys: the secret that is shown once, and the records that stand for it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from api.reference import ACCOUNT_PREFIX, KEY_PREFIX, SCOPES, ReferenceBook
from bus.ports import Entry
from schemas.codec import encode
from schemas.records import Account, Act, ApiKey

SECRET_BYTES: Final = 32
ID_BYTES: Final = 6
_ACCOUNT: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}\Z").match


class Issued(NamedTuple):
    """A new key. `secret` is kept nowhere: it can be shown now, and never again."""

    secret: str
    key: ApiKey
    entries: list[Entry]


def scopes_of(text: str) -> tuple[str, ...]:
    """`send,read` as scopes, in the order of SCOPES. Raises ValueError, naming the unknown one and those that there are."""
    asked = {part.strip() for part in text.split(",") if part.strip()}
    unknown = sorted(asked - set(SCOPES))
    if unknown or not asked:
        raise ValueError(f"no scope is called {unknown[0]!r}" if unknown else "at least one scope is needed")
    return tuple(scope for scope in SCOPES if scope in asked)


def check_account(name: str) -> str:
    """The name of an account. Raises ValueError."""
    if not _ACCOUNT(name):
        raise ValueError("an account is 1 to 32 small letters, digits, - and _, the first one a letter or digit")
    return name


def issue(
    book: ReferenceBook, act: Act, account: str, name: str, scopes: Iterable[str], *, live: bool, entropy: bytes
) -> Issued:
    """A key for `account`, which is made if it is new. `entropy`: SECRET_BYTES + ID_BYTES random bytes."""
    drawn, key_id = entropy[:SECRET_BYTES], "k" + entropy[SECRET_BYTES:].hex()
    text = base64.urlsafe_b64encode(drawn).decode().rstrip("=")
    secret = f"sk_{'live' if live else 'test'}_{text}"
    key = ApiKey(act, key_id, account, hashlib.sha256(secret.encode()).digest(), tuple(scopes), live, name)
    entries: list[Entry] = [(KEY_PREFIX + key.id.encode(), encode(key))]
    if book.account(account) is None:
        entries.insert(0, (ACCOUNT_PREFIX + account.encode(), encode(Account(act, account))))
    return Issued(secret, key, entries)


def revoke(key: ApiKey, act: Act) -> Entry:
    """The record that ends a key. It stays listed, so that the audit log can be read."""
    ended = msgspec.structs.replace(key, act=act, revoked_ms=act.at_ms)
    return KEY_PREFIX + key.id.encode(), encode(ended)
