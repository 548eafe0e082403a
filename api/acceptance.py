"""The core of acceptance, free of any HTTP framework: bytes of a body in, an answer in bytes out.

`messages` is POST /v1/messages, for as many as came at once; `message` is the same for one. batches.py and streams.py are
built on the same desk. Whoever calls has authenticated the callers, read the bodies within their limit, and turns a Refusal
into a problem.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, NamedTuple

from api.accepted import accepted_json
from api.answers import accepted_body, encode_json
from api.bodies import Order, read_message
from api.idempotency import KeyedLookups, KeyedNames, Names, RecentKeys, hash_of, other_day, reused
from api.intake import Accepted, Caller, Intake, Stamp
from api.posting import Posting, unavailable
from api.problems import Refusal, refusal
from api.quotas import Quotas
from api.readside import ReadSide
from bus.ports import Entry, TopicPartition
from ratelimit.quota import Quota
from runtime.clock import Clock
from runtime.errors import UnavailableError
from runtime.metrics import INTAKE
from schemas.ids import to_text
from store.rows import KeyedRow

MESSAGES: Final = "/v1/messages"
"""Where messages are posted; each is below it."""
REPLAYED: Final[Mapping[str, str]] = {"Idempotency-Replayed": "true"}
NOT_CONFIRMED: Final = "Kafka did not confirm in time; the message may still be sent"

Queues = dict[TopicPartition, list[Entry]]
"""What goes to Kafka, by where."""


class Answer(NamedTuple):
    """What goes back: status, body, and headers beside the usual ones."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Asked:
    """One message that is asked for: by whom, the bytes of its body, its Idempotency-Key. The rest is the desk's."""

    __slots__ = ("accepted", "body_hash", "caller", "cls", "first", "id", "key", "order", "outcome", "quota", "raw")

    order: Order
    id: bytes

    def __init__(self, caller: Caller, raw: bytes, key: str | None) -> None:
        self.caller = caller
        self.raw = raw
        self.key = key
        self.cls = "unknown"
        self.quota: Quota | None = None
        self.body_hash: bytes | None = None
        self.first = False
        """Whether it claimed its key."""
        self.accepted: Accepted | None = None
        """None until it is on its way to Kafka: from then on its quota is spent, whatever comes of it."""
        self.outcome: Answer | Exception | None = None

    def settle(self, outcome: Answer | Exception) -> None:
        """Called once: with the answer, the Refusal, or a fault of ours."""
        self.outcome = outcome

    def result(self) -> Answer:
        """The answer, once it is settled. Raises what came instead."""
        outcome, self.outcome = self.outcome, None
        assert outcome is not None
        if isinstance(outcome, Answer):
            return outcome
        try:
            raise outcome
        finally:
            del outcome  # or it and this frame would keep each other until the collector comes


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
        asked = Asked(caller, raw, key)
        await self.messages([asked])
        return asked.result()

    async def messages(self, asked: Sequence[Asked]) -> None:
        """Many at once, which makes each cheaper. Every one is settled by itself, as soon as its outcome is known: what is
        wrong with one harms no other, and none waits for what is looked up for another."""
        now_ms = self.clock.wall_ms()
        plain = [one for one in asked if one.key is None]
        keyed = [one for one in asked if one.key is not None]
        if not keyed:
            await self._send_plain(plain, now_ms)
        elif not plain:
            await self._send_keyed(keyed, now_ms)
        else:
            await asyncio.gather(self._send_plain(plain, now_ms), self._send_keyed(keyed, now_ms))

    async def _send_plain(self, plain: Sequence[Asked], now_ms: int) -> None:
        queues: Queues = {}
        for one, message_id in zip(plain, self.names("", None, now_ms).messages(0, len(plain)), strict=True):
            one.id = message_id
        await self._post([one for one in plain if self._goes_on(self._begin_and_accept, one, now_ms, queues)], queues)

    def _begin_and_accept(self, one: Asked, now_ms: int, queues: Queues) -> None:
        self._begin(one)
        self._accept(one, now_ms, queues)

    def _begin(self, one: Asked) -> None:
        """Raises Refusal."""
        self.admit(one.caller.account)
        one.order = read_message(one.raw)
        one.cls = one.order.cls
        one.quota = self.quotas.take(one.caller.account, 1)

    async def _send_keyed(self, keyed: Sequence[Asked], now_ms: int) -> None:
        claimed = [one for one in keyed if self._goes_on(self._begin_and_claim, one, now_ms)]
        try:
            found = await self.lookups.find([one.id for one in claimed]) if claimed else {}
        except Exception as fault:
            self._settle_all(claimed, fault)
            return
        fresh: list[Asked] = []
        repeats = []
        for one in claimed:
            known = (found.get(one.id) or found.get(other_day(one.id))) if found else None
            if known is None or known.body_hash is None:  # no hash: an outcome is there before its message
                fresh.append(one)
            else:
                repeats.append(self._repeat(one, known, now_ms))
        if repeats:
            await asyncio.gather(self._send(fresh, now_ms), *repeats)
        else:
            await self._send(fresh, now_ms)

    def _begin_and_claim(self, one: Asked, now_ms: int) -> Answer | None:
        """The answer that is remembered. Raises Refusal."""
        self._begin(one)
        account, key, one.body_hash = one.caller.account, one.key or "", hash_of(one.raw)
        # Before anything is awaited: of two bodies that come at once with one key, only one gets through.
        seen, one.first = self.recent.claim(account, key, one.body_hash, now_ms)
        one.id = self.names(account, key, seen.at_ms).messages(0, 1)[0]
        return None if seen.answer is None else _replayed(one.id, seen.answer)

    async def _repeat(self, one: Asked, known: KeyedRow, now_ms: int) -> None:
        try:
            replay = await self._replay(one, known)
        except Exception as fault:
            self._settle(one, fault)
            return
        if replay is not None:
            self._settle(one, replay)
        else:
            await self._send([one], now_ms)

    async def _replay(self, one: Asked, known: KeyedRow) -> Answer | None:
        """The answer to a repeat that the projection knows. None: accept it (again: then the lane drops it)."""
        if known.body_hash != one.body_hash:
            raise reused()
        try:
            row = await self.reads.get_message(one.caller.account, known.id)
        except UnavailableError:
            return None
        return None if row is None else _replayed(row.id, encode_json(accepted_body(row)))

    async def _send(self, group: Sequence[Asked], now_ms: int) -> None:
        queues: Queues = {}
        await self._post([one for one in group if self._goes_on(self._accept, one, now_ms, queues)], queues)

    async def _post(self, sent: Sequence[Asked], queues: Queues) -> None:
        try:
            unconfirmed = await self.posting.post(queues)
        except Exception as fault:
            self._settle_all(sent, fault)
            return
        for one in sent:
            self._goes_on(self._answer, one, unconfirmed)

    def _goes_on(self, step: Callable[..., Answer | None], one: Asked, *more: Any) -> bool:
        """Whether the step left its outcome open; else it is settled."""
        try:
            outcome = step(one, *more)
        except Exception as fault:
            self._settle(one, fault)
            return False
        if outcome is not None:
            self._settle(one, outcome)
        return outcome is None

    def _accept(self, one: Asked, now_ms: int, queues: Queues) -> None:
        """Puts it with what goes to Kafka. Raises Refusal."""
        accepted = self.intake.accept(one.order, one.caller, Stamp(one.id, now_ms, one.body_hash))
        one.accepted = accepted
        queues.setdefault(accepted.queue, []).append(accepted.entry)

    def _answer(self, one: Asked, unconfirmed: set[TopicPartition]) -> Answer:
        """Raises Refusal."""
        assert one.accepted is not None
        message, queue, _ = one.accepted
        if queue in unconfirmed:
            raise unavailable(NOT_CONFIRMED)
        body = accepted_json(message)
        if one.key is not None:
            self.recent.confirm(one.caller.account, one.key, body)
        return Answer(202, body, _location(message.id))

    def _settle_all(self, group: Sequence[Asked], fault: Exception) -> None:
        for one in group:
            self._settle(one, fault)

    def _settle(self, one: Asked, outcome: Answer | Exception) -> None:
        if one.accepted is None:
            self._undo(one, outcome)
        if isinstance(outcome, Answer):
            _offers(one.cls, "replayed" if one.accepted is None else "accepted").inc()
        elif isinstance(outcome, Refusal):
            _offers(one.cls, outcome.code).inc()
        one.settle(outcome)

    def _undo(self, one: Asked, outcome: Answer | Exception) -> None:
        # Nothing of it went to Kafka.
        if one.quota is not None:
            one.quota.give_back(1)
        if one.first and one.key is not None and isinstance(outcome, Refusal):
            self.recent.forget(one.caller.account, one.key)


@cache
def _offers(cls: str, outcome: str) -> Any:
    # Finding it takes longer than counting; there are as many as there are classes and problems.
    return INTAKE.labels(cls, outcome)


def _replayed(message_id: bytes, body: bytes) -> Answer:
    return Answer(202, body, {**_location(message_id), **REPLAYED})


def _location(message_id: bytes) -> dict[str, str]:
    return {"Location": f"{MESSAGES}/{to_text(message_id)}"}
