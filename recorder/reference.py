"""Reference records as rows: accounts and keys as they are now, and the audit log of who did what."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from recorder.batches import Acted, Reference
from schemas import ids
from schemas.records import (
    Account,
    ApiKey,
    BatchSwitch,
    Cancellation,
    CarrierSwitch,
    ContentRead,
    ReferenceRecord,
    Rescheduled,
    Resolved,
)
from store.packing import clean
from store.transaction import Transaction

_KINDS = {
    ApiKey: "key",
    Account: "account",
    CarrierSwitch: "carrier",
    BatchSwitch: "batch",
    Cancellation: "cancel",
    Resolved: "in_doubt",
    Rescheduled: "schedule",
    ContentRead: "content",
}
_SUBJECTS = {Account: "name", CarrierSwitch: "carrier", BatchSwitch: "batch"}
_NOT_LOGGED = frozenset({"act", "sha256"})


async def write_reference(transaction: Transaction, records: Sequence[Reference]) -> None:
    """Writes them in the order of the topic."""
    for one in records:
        if one.record is None:
            await _drop(transaction, one.key)
        else:
            await _put(transaction, one.record)
    await transaction.put("put_audit", [audit_row(one.log_offset, one.record) for one in records if one.record])


async def _put(transaction: Transaction, record: ReferenceRecord) -> None:
    if isinstance(record, Account):
        row = (clean(record.name), record.suspended, record.rate_per_s, record.per_day, record.act.at_ms)
        await transaction.put("put_account", [row])
    elif isinstance(record, ApiKey):
        scopes = [clean(scope) for scope in record.scopes]
        names = clean(record.id), clean(record.account), record.sha256
        rest = (scopes, record.live, clean(record.name), record.revoked_ms, record.act.at_ms)
        await transaction.put("put_api_key", [(*names, *rest)])


async def _drop(transaction: Transaction, key: str) -> None:
    kind, _, name = clean(key).partition("/")
    if kind == "account":
        await transaction.put("drop_account", [(name,)])
    elif kind == "key":
        await transaction.put("drop_api_key", [(name,)])


def audit_row(log_offset: int, record: ReferenceRecord | Acted) -> tuple[Any, ...]:
    """For the query put_audit."""
    subject, what = describe(record)
    act = record.act
    texts = _KINDS[type(record)], clean(subject), clean(act.actor), clean(act.reason)
    return (act.at_ms, log_offset, *texts, json.dumps(what))


def describe(record: ReferenceRecord | Acted) -> tuple[str, dict[str, Any]]:
    """What a record is about, and what it says; secrets and what stands in other columns left out."""
    what = {
        name: _plain(value)
        for name, value in ((field.name, getattr(record, field.name)) for field in msgspec.structs.fields(record))
        if name not in _NOT_LOGGED
    }
    return str(what[_SUBJECTS.get(type(record), "id")]), what


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return ids.to_text(value) if len(value) == 16 else value.hex()
    if isinstance(value, str):
        return clean(value)
    return [clean(one) for one in value] if isinstance(value, tuple) else value
