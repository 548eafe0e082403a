"""What each account may still hand over to this process, and the headers that tell it.

Limits come from the account's record in `reference`; an account without them costs a look-up. Each api process counts on its
own: n of them let n times the rate in. What others let in today is asked of the projection once, when a process begins to count.

The headers are those of draft-ietf-httpapi-ratelimit-headers-10, `RateLimit-Policy: "second";q=100;w=1` and
`RateLimit: "second";r=42;t=1`; their unit is a message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from api.problems import Refusal, refusal
from ratelimit.quota import DAY_MS, Exceeded, Quota
from runtime.clock import Clock
from runtime.errors import UnavailableError
from runtime.logs import logger
from schemas.records import Account

log = logger("api.quotas")
LOOK_S: Final = 1.0
ASK_AGAIN_S: Final = 10.0
Headers = list[tuple[bytes, bytes]]


class CountsAccepted(Protocol):
    """The read side, as far as it is asked here."""

    async def count_accepted(self, account: str, since_ms: int) -> int: ...


@dataclass(slots=True)
class Taken:
    """Messages that were let in; of these, `spent` were used, the rest is given back."""

    count: int
    spent: int = 0


class Quotas:
    """All accounts of this process. `account` gives the record of one, None for an unknown one."""

    def __init__(self, account: Callable[[str], Account | None], clock: Clock) -> None:
        self._account = account
        self._clock = clock
        self._quotas: dict[str, Quota] = {}
        self._seeded: set[str] = set()

    def of(self, name: str) -> Quota | None:
        """The account's quota; None: it has no limits."""
        account = self._account(name)
        if account is None or not (account.rate_per_s or account.per_day):
            if self._quotas.pop(name, None) is not None:
                self._seeded.discard(name)
            return None
        quota = self._quotas.get(name)
        if quota is None:
            now, now_ms = self._clock.monotonic(), self._clock.wall_ms()
            quota = self._quotas[name] = Quota(account.rate_per_s, account.per_day, now, now_ms)
        elif (quota.rate_per_s, quota.per_day) != (account.rate_per_s, account.per_day):
            quota.change(account.rate_per_s, account.per_day, self._clock.monotonic())
        return quota

    def take(self, name: str, count: int) -> Quota | None:
        """Lets `count` messages in, all or none. Gives the quota, to which the caller gives back what was not spent; None for
        an account without limits. Raises Refusal (rate_limited)."""
        quota = self.of(name)
        if quota is None:
            return None
        exceeded = quota.take(count, self._clock.monotonic(), self._clock.wall_ms())
        if exceeded is not None:
            raise limited(name, quota, exceeded, count)
        return quota

    @contextmanager
    def taking(self, name: str, count: int) -> Iterator[Taken]:
        """The same; what the block did not spend is given back."""
        taken = Taken(count)
        quota = self.take(name, count)
        try:
            yield taken
        finally:
            if quota is not None:
                quota.give_back(count - taken.spent)

    @contextmanager
    def taking_some(self, name: str, count: int) -> Iterator[Taken]:
        """The same for the first of `count` messages, as many as may be let in now."""
        quota = self.of(name)
        if quota is None:
            yield Taken(count)
            return
        taken = Taken(quota.take_some(count, self._clock.monotonic(), self._clock.wall_ms()))
        try:
            yield taken
        finally:
            quota.give_back(taken.count - taken.spent)

    def headers(self, name: str) -> Headers:
        """RateLimit-Policy and RateLimit; none for an account without limits."""
        quota = self.of(name)
        if quota is None:
            return []
        standing = quota.standing(self._clock.monotonic(), self._clock.wall_ms())
        policies = ", ".join(f'"{each.policy}";q={each.quota};w={each.window_s}' for each in standing)
        limits = ", ".join(f'"{each.policy}";r={each.left};t={each.reset_s}' for each in standing)
        return [(b"ratelimit-policy", policies.encode()), (b"ratelimit", limits.encode())]

    async def seed(self, accounts: Iterable[Account], reads: CountsAccepted) -> None:
        """Asks how much of today was used before, for accounts of which it is not known. Raises UnavailableError."""
        for account in accounts:
            quota = self.of(account.name) if account.per_day and account.name not in self._seeded else None
            if quota is not None:
                day = self._clock.wall_ms() // DAY_MS
                quota.know_used(await reads.count_accepted(account.name, day * DAY_MS), day)
                self._seeded.add(account.name)


class Seeding:
    """Asks in the background, for as long as it is let: also when a limit is new, and again while Postgres is away."""

    def __init__(self, quotas: Quotas, accounts: Callable[[], Iterable[Account]], reads: CountsAccepted) -> None:
        self._quotas = quotas
        self._accounts = accounts
        self._reads = reads

    async def follow(self) -> None:
        while True:
            try:
                await self._quotas.seed(self._accounts(), self._reads)
            except UnavailableError as fault:
                log.warning("daily_quotas_count_from_here", fault=str(fault))
                await asyncio.sleep(ASK_AGAIN_S)
            await asyncio.sleep(LOOK_S)


def limited(name: str, quota: Quota, exceeded: Exceeded, count: int) -> Refusal:
    """The 429. `count`: how many messages were to be let in at once."""
    what = {"second": f"{quota.rate_per_s} messages a second", "day": f"{quota.per_day} messages a day (UTC)"}
    asked = f"; {count} were sent at once, {exceeded.left} are left" if count > 1 else ""
    headers = {"Retry-After": str(exceeded.retry_after_s)}
    return refusal("rate_limited", f"the account {name} may send {what[exceeded.policy]}{asked}", headers=headers)


def row_limited() -> Refusal:
    """For one line of a stream."""
    return refusal("rate_limited", "the account's quota is used up for now; send this line again later")
