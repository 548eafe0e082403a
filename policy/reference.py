"""The reference topic as dispatcher and scheduler need it: facts for the gate, and the operators' switches of carriers."""

from __future__ import annotations

from collections.abc import Callable

from policy.gate import Facts
from schemas import ids
from schemas.codec import RecordError, decode_reference
from schemas.records import Account, BatchSwitch, Cancellation, CarrierSwitch


class Reference:
    """Apply records in the order of the topic; `changed` is called after those that lanes must hear of, `complain` with the
    key and the fault of one that can't be read."""

    def __init__(
        self,
        changed: Callable[[], None] = lambda: None,
        complain: Callable[[str, str], None] = lambda _key, _fault: None,
    ) -> None:
        self.facts = Facts()
        self.switches: dict[str, CarrierSwitch] = {}
        self._changed = changed
        self._complain = complain

    def apply(self, key: bytes, value: bytes | None) -> None:
        """One record; a value of None takes its key back. Never raises."""
        if value is None:
            self._forget(key.decode("latin-1"))
        else:
            try:
                record = decode_reference(value)
            except RecordError as fault:
                self._complain(key.decode("latin-1"), str(fault))
                return
            if isinstance(record, Account):
                self._flag(self.facts.suspended, record.name, record.suspended)
            elif isinstance(record, Cancellation):
                self.facts.canceled.add((record.id, record.account))
            elif isinstance(record, BatchSwitch):
                self._batch(record)
            elif isinstance(record, CarrierSwitch):
                self.switches[record.carrier] = record
        self.facts.settle()
        self._changed()

    def _batch(self, record: BatchSwitch) -> None:
        place = (record.batch, record.account)
        if record.state == "active":
            self.facts.batches.pop(place, None)
        else:
            self.facts.batches[place] = record.state

    @staticmethod
    def _flag(names: set[str], name: str, on: bool) -> None:
        (names.add if on else names.discard)(name)

    def _forget(self, key: str) -> None:
        kind, _, name = key.partition("/")
        if kind == "account":
            self.facts.suspended.discard(name)
        elif kind == "cancel":
            self.facts.canceled.discard(_place(name))
        elif kind == "batch":
            self.facts.batches.pop(_place(name), None)
        elif kind == "carrier":
            self.switches.pop(name, None)


def _place(name: str) -> tuple[bytes, str]:
    """(id, account) of a key's `<id>/<account>`; of a key that nobody of us wrote, a pair that nothing has."""
    text, _, account = name.partition("/")
    try:
        return ids.from_text(text), account
    except ValueError:
        return b"", account
