"""The core of acceptance, free of any HTTP framework: bytes of a body in, an answer in bytes out.

`message` is POST /v1/messages; batches.py and streams.py are built on the same desk. Whoever calls has authenticated the
caller, read the body within its limit, and turns a Refusal into a problem.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from api.answers import accepted_body, encode_json
from api.bodies import Order, read_message
from api.idempotency import KeyedLookups, KeyedNames, Names, RecentKeys, hash_of, reused
from api.intake import Accepted, Caller, Intake, Stamp
from api.posting import Posting, unavailable
from api.problems import Refusal, refusal
from api.quotas import Quotas, Taken
from api.readside import ReadSide
from runtime.clock import Clock
from runtime.errors import UnavailableError
from runtime.metrics import INTAKE
from schemas.ids import to_text

REPLAYED: Final[Mapping[str, str]] = {"Idempotency-Replayed": "true"}
NOT_CONFIRMED: Final = "Kafka did not confirm in time; the message may still be sent"


class Answer(NamedTuple):
    """What goes back: status, body, and headers beside the usual ones."""

    status: int
    body: bytes
    headers: Mapping[str, str]


@dataclass
class Desk:
    """What acceptance works with. `intake` is replaced when routes or switches change."""

    intake: Intake
    posting: Posting
    lookups: KeyedLookups
    reads: ReadSide
    clock: Clock
    entropy: Callable[[int], bytes]
    index_key: bytes
    max_recipients: int
    suspended: Callable[[str], bool]
    quotas: Quotas
    recent: RecentKeys = field(default_factory=RecentKeys)

    def admit(self, account: str) -> None:
        """Raises Refusal when the account is suspended, or Kafka takes nothing. Canceled ids and paused batches are told
        by the lane's gate: a repeat has to meet the lane that had it first."""
        if self.suspended(account):
            raise refusal("account_suspended", f"the account {account} may not send at present")
        self.posting.check()

    def names(self, account: str, key: str | None, now_ms: int) -> Names:
        """The ids of a request that came at `now_ms`."""
        if key is None:
            return Names(self.entropy, now_ms)
        return KeyedNames(self.index_key, account, key, now_ms)

    async def message(self, caller: Caller, raw: bytes, key: str | None) -> Answer:
        """One message: 202, or a Refusal."""
        cls = "unknown"
        try:
            self.admit(caller.account)
            order = read_message(raw)
            cls = order.cls
            with self.quotas.taking(caller.account, 1) as taken:
                answer = await self._message(caller, order, raw, key, taken)
        except Refusal as fault:
            INTAKE.labels(cls, fault.code).inc()
            raise
        INTAKE.labels(cls, "accepted" if taken.spent else "replayed").inc()
        return answer

    async def _message(self, caller: Caller, order: Order, raw: bytes, key: str | None, taken: Taken) -> Answer:
        now_ms = self.clock.wall_ms()
        if key is not None:
            return await self._keyed(caller, order, hash_of(raw), key, now_ms, taken)
        message_id = self.names(caller.account, None, now_ms).messages(0, 1)[0]
        accepted = self.intake.accept(order, caller, Stamp(message_id, now_ms))
        return await self._post(accepted, taken)

    async def _post(self, accepted: Accepted, taken: Taken) -> Answer:
        taken.spent = 1  # also when Kafka does not confirm: it may have it
        if await self.posting.post({accepted.queue: [accepted.entry]}):
            raise unavailable(NOT_CONFIRMED)
        return Answer(202, encode_json(accepted_body(accepted.message)), _location(accepted.message.id))

    async def _keyed(
        self, caller: Caller, order: Order, body_hash: bytes, key: str, now_ms: int, taken: Taken
    ) -> Answer:
        # Claimed before anything is awaited: of two bodies that come at once with one key, only one gets through.
        seen, first = self.recent.claim(caller.account, key, body_hash, now_ms)
        message_id = self.names(caller.account, key, seen.at_ms).messages(0, 1)[0]
        if seen.answer is not None:
            return Answer(202, seen.answer, {**_location(message_id), **REPLAYED})
        try:
            replay = await self._known(caller, message_id, body_hash)
            if replay is not None:
                return replay
            accepted = self.intake.accept(order, caller, Stamp(message_id, now_ms, body_hash))
        except Refusal:
            if first:
                self.recent.forget(caller.account, key)
            raise
        answer = await self._post(accepted, taken)
        self.recent.confirm(caller.account, key, answer.body)
        return answer

    async def _known(self, caller: Caller, message_id: bytes, body_hash: bytes) -> Answer | None:
        """The answer to a repeat that the projection knows. None: accept it (again: then the lane drops it)."""
        known = next(iter((await self.lookups.find([message_id])).values()), None)
        if known is None or known.body_hash is None:  # no hash: an outcome is there before its message
            return None
        if known.body_hash != body_hash:
            raise reused()
        try:
            row = await self.reads.get_message(caller.account, known.id)
        except UnavailableError:
            return None
        return None if row is None else Answer(202, encode_json(accepted_body(row)), {**_location(row.id), **REPLAYED})


def _location(message_id: bytes) -> dict[str, str]:
    return {"Location": f"/v1/messages/{to_text(message_id)}"}
