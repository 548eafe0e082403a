"""What the `reference` topic says, in memory: API keys, accounts, switches. It is there when Postgres is not.

`ReferenceBook.apply` is fed by bus.snapshot, in the order of the topic; nothing here waits or fails.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final, TypeVar

from api.intake import Caller
from policy.failover import in_force
from runtime.logs import logger
from schemas.codec import RecordError, decode_reference
from schemas.ids import to_text
from schemas.records import Account, ApiKey, BatchSwitch, CarrierSwitch

T = TypeVar("T")
log = logger("api.reference")
KEY_PREFIX: Final = b"key/"
ACCOUNT_PREFIX: Final = b"account/"
CARRIER_PREFIX: Final = b"carrier/"
BATCH_PREFIX: Final = b"batch/"
CANCEL_PREFIX: Final = b"cancel/"
MOST_TOKENS: Final = 10_000
MAX_TOKEN: Final = 200
ALL: Final = "*"
SCOPES: Final = ("send", "read", "read:content", "admin", ALL)


def batch_key(batch: bytes, account: str) -> bytes:
    """The topic's key of a batch's switch. With the account: another one's word about the same id stands beside it."""
    return BATCH_PREFIX + f"{to_text(batch)}/{account}".encode()


def cancel_key(message: bytes, account: str) -> bytes:
    """The topic's key of a cancellation; with the account, as `batch_key`."""
    return CANCEL_PREFIX + f"{to_text(message)}/{account}".encode()


def carrier_key(carrier: str) -> bytes:
    return CARRIER_PREFIX + carrier.encode()


def account_key(account: str) -> bytes:
    return ACCOUNT_PREFIX + account.encode()


class ReferenceBook:
    """Keys, accounts, carriers' and batches' switches as of now."""

    def __init__(self) -> None:
        self._keys: dict[bytes, ApiKey] = {}
        self._by_hash: dict[bytes, ApiKey] = {}
        self._accounts: dict[bytes, Account] = {}
        self._switches: dict[bytes, CarrierSwitch] = {}
        self._batches: dict[bytes, BatchSwitch] = {}
        self._callers: dict[str, Caller] = {}

    def apply(self, key: bytes, value: bytes | None) -> None:
        """One record of the topic; None removes what stood under the key."""
        try:
            record = None if value is None else decode_reference(value)
        except RecordError as fault:
            log.warning("reference_record_not_used", key=key.decode(errors="replace"), fault=str(fault))
            # A key that we can't read any more may have been revoked. Of the others, the last word known holds.
            if key.startswith(KEY_PREFIX):
                self._set_key(key, None)
            return
        if key.startswith(KEY_PREFIX):
            self._set_key(key, record if isinstance(record, ApiKey) else None)
        elif key.startswith(ACCOUNT_PREFIX):
            _put(self._accounts, key, record if isinstance(record, Account) else None)
        elif key.startswith(CARRIER_PREFIX):
            _put(self._switches, key, record if isinstance(record, CarrierSwitch) else None)
        elif key.startswith(BATCH_PREFIX):
            _put(self._batches, key, record if isinstance(record, BatchSwitch) else None)

    def _set_key(self, key: bytes, record: ApiKey | None) -> None:
        old = self._keys.get(key)
        if old is not None and self._by_hash.get(old.sha256) is old:
            del self._by_hash[old.sha256]
        _put(self._keys, key, record)
        if record is not None:
            self._by_hash[record.sha256] = record
        self._callers.clear()

    def caller(self, token: str) -> Caller | None:
        """Whom a secret stands for; None when it is not known or was revoked. The secret itself is only ever a cache's key."""
        caller = self._callers.get(token)
        if caller is not None:
            return caller
        if len(token) > MAX_TOKEN:
            return None
        key = self._by_hash.get(hashlib.sha256(token.encode()).digest())
        if key is None or key.revoked_ms:
            return None
        if len(self._callers) >= MOST_TOKENS:
            self._callers.clear()
        caller = self._callers[token] = Caller(key.id, key.account, frozenset(key.scopes), key.live)
        return caller

    @property
    def cached(self) -> int:
        """Secrets whose caller is remembered; at most MOST_TOKENS."""
        return len(self._callers)

    def suspended(self, account: str) -> bool:
        found = self._accounts.get(account_key(account))
        return found is not None and found.suspended

    def account(self, name: str) -> Account | None:
        return self._accounts.get(account_key(name))

    def accounts(self) -> list[Account]:
        """All of them, by name."""
        return sorted(self._accounts.values(), key=lambda account: account.name)

    def batch(self, batch: bytes, account: str) -> BatchSwitch | None:
        """What was switched last of an account's batch; None: nothing ever."""
        return self._batches.get(batch_key(batch, account))

    def key(self, key_id: str) -> ApiKey | None:
        return self._keys.get(KEY_PREFIX + key_id.encode())

    def keys(self, account: str | None = None) -> Iterator[ApiKey]:
        """All keys of an account (None: of any), the revoked ones too."""
        return (key for key in self._keys.values() if account is None or key.account == account)

    def switch(self, carrier: str, now_ms: int) -> CarrierSwitch | None:
        """What holds now of the operator's switch of a carrier."""
        return in_force(self._switches.get(carrier_key(carrier)), now_ms)

    def draining(self, now_ms: int) -> frozenset[str]:
        """Carriers that get no new traffic. A paused one does: its queue holds it."""
        switches = (self.switch(each.carrier, now_ms) for each in self._switches.values())
        return frozenset(each.carrier for each in switches if each is not None and each.state == "draining")


def _put(table: dict[bytes, T], key: bytes, record: T | None) -> None:
    if record is None:
        table.pop(key, None)
    else:
        table[key] = record
