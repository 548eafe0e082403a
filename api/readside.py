"""The read side as the api asks it: store.reads behind a protocol, and whether it answered last time."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol, TypeVar

from api.problems import refusal
from runtime.errors import UnavailableError
from store.rows import BatchRow, DoubtRow, KeyedRow, MessageFilter, MessageRow

T = TypeVar("T")


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
        self, account: str | None, carrier: str | None, limit: int, cursor: str | None
    ) -> tuple[Sequence[DoubtRow], str | None]:
        """What is in doubt now. Raises ValueError as `list_messages`."""
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
