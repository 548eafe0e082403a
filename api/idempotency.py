"""Idempotency-Key: the ids that a key stands for, what this process remembers of keys, and the keys that the projection knows.

A key makes ids (schemas.ids.keyed_id), so a repeat has the same ids in any process, and the lane drops what it has had. The
projection answers repeats for as long as it keeps messages; it is asked for at most `LOOKUP_S`, since accepting must not
depend on Postgres. The memory of this process is for what the projection has not seen yet.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, NamedTuple

from api.problems import Refusal, refusal
from runtime.clock import Clock
from runtime.errors import UnavailableError
from runtime.logs import logger
from schemas.ids import DAY_MS, at_day, keyed_id, millis_of, random_ids
from store.rows import KeyedRow

log = logger("api.idempotency")
LOOKUP_S: Final = 0.3
GATHER_S: Final = 0.001
REST_S: Final = 1.0
"""After a look-up that failed, none is tried for so long: a Postgres that hangs must not cost each request LOOKUP_S."""
MAX_IDS_A_QUERY: Final = 20_000
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}\Z").match
_BATCH_INDEX: Final = -1

FindKeyed = Callable[[list[bytes]], Awaitable[dict[bytes, KeyedRow]]]
_Question = tuple[Sequence[bytes], asyncio.Future[dict[bytes, KeyedRow]]]


def check_key(header: str | None) -> str | None:
    """The Idempotency-Key of a request; `"quoted"` as in the IETF draft, or bare. Raises Refusal."""
    if header is None:
        return None
    key = header[1:-1] if len(header) >= 2 and header[0] == header[-1] == '"' else header
    if not _KEY(key):
        told = "is empty" if not key else f"has {len(key)} characters, 255 are allowed" if len(key) > 255 else ""
        raise refusal("idempotency_key_invalid", f"the Idempotency-Key {told or 'has a character that is not allowed'}")
    return key


def hash_of(body: bytes) -> bytes:
    """What a request's body is compared by: 16 bytes."""
    return hashlib.blake2b(body, digest_size=16).digest()


def reused() -> Refusal:
    """A key came with another body: 422, as the IETF's draft of the header has it."""
    return refusal("idempotency_key_reused", "this Idempotency-Key came with another body before")


class Names:
    """The ids of one request. Without a key they are drawn, with one they are made from it and the index."""

    def __init__(self, entropy: Callable[[int], bytes], now_ms: int) -> None:
        self._entropy = entropy
        self.at_ms = now_ms

    def batch(self) -> bytes:
        """The batch's own id."""
        return random_ids(self.at_ms, self._entropy(10))[0]

    def messages(self, first: int, count: int) -> list[bytes]:
        """The ids of `count` messages from index `first` on."""
        return random_ids(self.at_ms, self._entropy(10 * count))


class KeyedNames(Names):
    """Names made from an Idempotency-Key: the same for every repeat of a day. `at_ms` may be moved to the day found."""

    def __init__(self, secret: bytes, account: str, key: str, now_ms: int) -> None:
        self._secret = secret
        self._account = account
        self._key = key
        self.at_ms = now_ms

    def of(self, index: int) -> bytes:
        return keyed_id(self._secret, self._account, self._key, index, self.at_ms)

    def batch(self) -> bytes:
        return self.of(_BATCH_INDEX)

    def messages(self, first: int, count: int) -> list[bytes]:
        return [self.of(index) for index in range(first, first + count)]


class Seen(NamedTuple):
    """What this process remembers of a key: the body, when it came first (Unix milliseconds), and the 202 of a message."""

    body_hash: bytes
    at_ms: int
    answer: bytes | None = None


class RecentKeys:
    """Keys that came to this process lately. Bounded; the oldest are forgotten first."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._seen: OrderedDict[tuple[str, str], Seen] = OrderedDict()

    def claim(self, account: str, key: str, body_hash: bytes, now_ms: int) -> tuple[Seen, bool]:
        """What holds for this key from now on, and whether this call made it so. Raises Refusal for another body."""
        seen = self._seen.get((account, key))
        if seen is not None:
            if seen.body_hash != body_hash:
                raise reused()
            return seen, False
        seen = self._seen[account, key] = Seen(body_hash, now_ms)
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)
        return seen, True

    def confirm(self, account: str, key: str, answer: bytes) -> None:
        """The message of this key is in Kafka: repeats get this answer, and nothing is published for them."""
        seen = self._seen.get((account, key))
        if seen is not None:
            self._seen[account, key] = seen._replace(answer=answer)

    def forget(self, account: str, key: str) -> None:
        """The request of this key was refused: its body may be corrected and sent again."""
        self._seen.pop((account, key), None)


class KeyedLookups:
    """Asks the projection about ids: one query at a time, with those of all requests that came while the last one was under
    way, or within a millisecond."""

    def __init__(self, find: FindKeyed, clock: Clock) -> None:
        self._find = find
        self._clock = clock
        self._waiting: list[_Question] = []
        self._rest_until = 0.0
        self._query_under_way: asyncio.Task[None] | None = None

    async def find(self, ids: Iterable[bytes]) -> dict[bytes, KeyedRow]:
        """What is known of these ids, in today's form and in yesterday's; nothing when Postgres does not say in time."""
        if self._clock.monotonic() < self._rest_until:
            return {}
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[dict[bytes, KeyedRow]] = loop.create_future()
        if not self._waiting and self._query_under_way is None:
            loop.call_later(GATHER_S, self._ask)
        self._waiting.append((both_days(ids), answer))
        return await answer

    def _ask(self) -> None:
        """The next query, if anybody waits and none is under way."""
        if self._query_under_way is None and self._waiting:
            self._query_under_way = asyncio.create_task(self._query(self._next_group()))
            self._query_under_way.add_done_callback(self._asked)

    def _asked(self, _task: asyncio.Task[None]) -> None:
        self._query_under_way = None
        self._ask()

    def _next_group(self) -> list[_Question]:
        """The first, and those after it that fit with it into one query."""
        count, size = 1, len(self._waiting[0][0])
        for ids, _ in self._waiting[1:]:
            size += len(ids)
            if size > MAX_IDS_A_QUERY:
                break
            count += 1
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        return group

    async def _query(self, group: list[_Question]) -> None:
        found: dict[bytes, KeyedRow] = {}
        try:
            async with asyncio.timeout(LOOKUP_S):
                found = await self._find(list({one for ids, _ in group for one in ids}))
        except (UnavailableError, TimeoutError) as fault:
            self._rest_until = self._clock.monotonic() + REST_S
            log.warning("replays_not_looked_up", fault=str(fault) or "no answer in time")
            # Whoever waited meanwhile has waited long enough, too.
            group, self._waiting = group + self._waiting, []
        except Exception:
            log.exception("replays_not_looked_up")
        for ids, answer in group:
            if not answer.done():
                answer.set_result({one: found[one] for one in ids if one in found} if found else {})


def both_days(ids: Iterable[bytes]) -> list[bytes]:
    """Each keyed id as it is, and as it was a day before: a repeat may come over midnight."""
    out: list[bytes] = []
    for one in ids:
        out += (one, other_day(one))
    return out


def other_day(keyed: bytes) -> bytes:
    """A keyed id as the day before would have made it."""
    return at_day(keyed, millis_of(keyed) - DAY_MS)
