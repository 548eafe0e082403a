"""Making a message over to the next carrier of its route: unseal, route, measure, price anew (DESIGN §4, §5 rule 13)."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from dispatcher.diversion import Copy
from policy.routing import Router
from policy.transfer import made_over
from schemas import ids
from schemas.carriers import Carrier, CarrierBook
from schemas.codec import encode
from schemas.records import MtMessage
from schemas.sealing import Sealer, SealError, partition_of
from schemas.topics import Topics


class Rerouter:
    """Callable as dispatcher.diversion.Reroute, for messages of one carrier. `book` gives carriers.toml as it is now."""

    def __init__(self, carrier: str, book: Callable[[], CarrierBook], topics: Topics, sealer: Sealer) -> None:
        self._carrier = carrier
        self._current = book
        self._book = book()
        self._router = Router(self._book)
        self._mark = self._book.routing_mark()
        self._topics = topics
        self._sealer = sealer

    @property
    def routes(self) -> str:
        """The mark of the routes that the next copy is made by."""
        self._refresh()
        return self._mark

    def _refresh(self) -> None:
        if self._book is not self._current():
            self._book = self._current()
            self._router = Router(self._book)
            self._mark = self._book.routing_mark()

    def __call__(self, message: MtMessage, index: bytes, avoid: str, possible_duplicate: bool) -> Copy | None:
        try:
            content = self._sealer.open(message.id, message.sealed)
        except SealError:
            return None  # its own lane tells of it when it writes again
        self._refresh()
        choice = self._router.route(content.destination, message.cls, ids.identity(message.id), message.test)
        if choice is None:
            return None
        ruled_out = {self._carrier, *message.tried, *avoid.split("+")}
        for name in (choice.carrier.name, *choice.fallback):
            if name not in ruled_out:
                return self._copy(message, index, content.text, self._book.carriers[name], possible_duplicate)
        return None

    def _copy(self, message: MtMessage, index: bytes, text: str, to: Carrier, possible_duplicate: bool) -> Copy | None:
        # Its lane is the carrier's, whatever the record says of where it was before.
        mine = message if message.carrier == self._carrier else replace(message, carrier=self._carrier)
        copy = made_over(mine, text, to, hop=message.hop + 1, possible_duplicate=possible_duplicate)
        if copy is None:
            return None
        topic = self._topics.mt(to.name, message.cls)
        return Copy(
            topic, partition_of(index, to.partitions), index, encode(copy), to.name, copy.price_micros, copy.segments
        )
