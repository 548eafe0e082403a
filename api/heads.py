"""Heads of requests that came before. A client whose connection stays open sends the same head again and again: what the
parser told of these very bytes is known, so that it need not read them anew (a tenth of what a single message cost the api)."""

from __future__ import annotations

from typing import Final, NamedTuple

_END: Final = b"\r\n\r\n"
_MOST: Final = 512
"""Heads that are kept: length and API key vary, not much else. Where there are more, all are forgotten and learnt again."""
_MOST_BYTES: Final = 2048
"""Of a head that is kept."""
_OWN: Final = frozenset({b"idempotency-key", b"x-request-id", b"traceparent"})
"""Fields that another request won't have: not kept, for nothing."""


Fields = dict[bytes, bytes]
"""By name, in lower case. Of one that came twice the first counts, as in Starlette. Never changed: requests share it."""


class Known(NamedTuple):
    """A head that was read, and the length of the body that it announces."""

    headers: Fields
    length: int


class Heads:
    """Of requests whose connection stays open, in one process."""

    def __init__(self) -> None:
        self._known: dict[bytes, Known] = {}

    def find(self, data: bytes) -> tuple[Fields, bytes] | None:
        """Its fields and its body, if `data` is exactly one request with a head that is known. `data` begins where a request
        does."""
        head, _, body = data.partition(_END)
        known = self._known.get(head)
        return None if known is None or len(body) != known.length else (known.headers, body)

    def keep(self, data: bytes, body: bytes, headers: Fields) -> None:
        """The parser read `data` from its start to its end, and found one request with these headers and this body."""
        head, _, rest = data.partition(_END)
        # Not what came in chunks: there the head does not tell the length.
        if rest != body or len(head) > _MOST_BYTES or not _OWN.isdisjoint(headers):
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[head] = Known(headers, len(body))
