"""The read side as the api asks it: store.reads behind a protocol, and whether it answered last time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

from api.problems import Refusal, refusal
from runtime.errors import UnavailableError
from store.rows import (
    AuditFilter,
    AuditRow,
    BatchRow,
    DoubtRow,
    InboundRow,
    KeyedRow,
    MessageFilter,
    MessageRow,
    StandingRow,
)

T = TypeVar("T")
GUESS_S: Final = 0.5
"""What goes on without Postgres waits no longer for what it would say."""


class ReadSide(Protocol):
    """What store.reads.Reads offers. Each raises UnavailableError when Postgres is away, in bounded time; `account` None
    means any."""

    async def get_message(self, account: str | None, id: bytes) -> MessageRow | None: ...

    async def list_messages(
        self, account: str | None, chosen: MessageFilter, cursor: str | None, limit: int
    ) -> tuple[Sequence[MessageRow], str | None]:
        """Raises ValueError for a cursor that is none of ours."""
        ...

    async def get_batch(self, account: str | None, id: bytes) -> BatchRow | None: ...

    async def list_in_doubt(
        self,
        account: str | None,
        carrier: str | None,
        limit: int,
        cursor: str | None,
        *,
        open_only: bool,
        since_ms: int | None,
    ) -> tuple[Sequence[DoubtRow], str | None]:
        """What is, or was, in doubt, newest first. Raises ValueError as `list_messages`."""
        ...

    async def messages_by_ids(self, account: str | None, ids: list[bytes]) -> Mapping[bytes, StandingRow]:
        """Those of the ids that are known, and the account's."""
        ...

    async def list_audit(
        self, chosen: AuditFilter, cursor: str | None, limit: int
    ) -> tuple[Sequence[AuditRow], str | None]:
        """Newest first. Raises ValueError as `list_messages`."""
        ...

    async def list_inbound(
        self, account: str | None, cursor: str | None, limit: int
    ) -> tuple[Sequence[InboundRow], str | None]:
        """Newest first. Raises ValueError as `list_messages`."""
        ...

    async def count_accepted(self, account: str, since_ms: int) -> int:
        """How many messages of an account were accepted at or after a time."""
        ...

    async def find_keyed(self, ids: list[bytes]) -> dict[bytes, KeyedRow]: ...


class ReadWatch:
    """Turns a read side that is away into its problem, and remembers it for /readyz: reads fail, sending goes on."""

    def __init__(self) -> None:
        self.fault: str | None = None

    async def answered(self, question: Awaitable[T]) -> T:
        """The answer. Raises Refusal (read_unavailable)."""
        try:
            answer = await question
        except UnavailableError as fault:
            self.fault = str(fault)
            # What an operator is told names hosts and settings: not for senders.
            raise refusal("read_unavailable", "Postgres, which answers questions, can't be asked now") from None
        self.fault = None
        return answer

    async def guessed(self, question: Awaitable[T], unknown: T) -> T:
        """The answer if it comes at once, else `unknown`: for what must be possible while Postgres is away."""
        try:
            async with asyncio.timeout(GUESS_S):
                return await self.answered(question)
        except TimeoutError:
            self.fault = f"Postgres did not answer in {GUESS_S} s"
        except Refusal:
            pass
        return unknown
