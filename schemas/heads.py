"""The beginning of records, for those who need no more of them. Apart from schemas.codec, which mypyc compiles: it would not see
the options of a msgspec class.
"""

from __future__ import annotations

import msgspec


class OutcomeHead(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How most outcomes begin; what follows is passed over."""

    tag: int
    id: bytes
    cls: int
    offset: int
