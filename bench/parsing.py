"""Ways to read the body of a batch, side by side: `python -m bench.api --parse`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic_core import from_json

from api.bodies import read_batch
from api.shapes import BATCH, MESSAGE

_Label = Annotated[str, Field(min_length=1, max_length=64)]


class _Model(BaseModel):
    """A message as a model: the obvious way, for comparison."""

    model_config = ConfigDict(extra="forbid", strict=True)

    to: str = Field(max_length=40)
    text: str = Field(min_length=1, max_length=10_000)
    class_: Literal["otp", "notice", "marketing"] = Field("notice", alias="class")
    sender: str | None = Field(None, max_length=16)
    encoding: Literal["auto", "gsm7", "ucs2", "smart"] = "auto"
    max_segments: int = Field(10, ge=1, le=255)
    client_ref: str | None = Field(None, max_length=128)
    ttl_s: int | None = Field(None, ge=1)
    campaign_id: _Label | None = None
    tags: list[_Label] = Field([], max_length=20)
    metadata: dict[_Label, str] = Field({}, max_length=20)


class _Struct(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A message as msgspec would have it, for comparison."""

    to: Annotated[str, msgspec.Meta(max_length=40)]
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=10_000)]
    class_: Literal["otp", "notice", "marketing"] = msgspec.field(name="class", default="notice")
    sender: Annotated[str, msgspec.Meta(max_length=16)] | None = None
    encoding: Literal["auto", "gsm7", "ucs2", "smart"] = "auto"
    max_segments: Annotated[int, msgspec.Meta(ge=1, le=255)] = 10
    client_ref: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    ttl_s: Annotated[int, msgspec.Meta(ge=1)] | None = None
    campaign_id: str | None = None
    tags: list[str] = msgspec.field(default_factory=list)
    metadata: dict[str, str] = msgspec.field(default_factory=dict)


def parse(raw: bytes, messages: Sequence[Any]) -> dict[str, float]:
    """Microseconds a message of several ways to read the body of a batch with these messages."""
    rows, size = json.dumps(messages).encode(), len(messages)
    models, structs = TypeAdapter(list[_Model]), msgspec.json.Decoder(list[_Struct])
    check = MESSAGE.validate_python
    ways: dict[str, Callable[[], Any]] = {
        "pydantic models, all at once": lambda: models.validate_json(rows),
        "msgspec structs, all at once": lambda: structs.decode(rows),
        "JSON alone (pydantic_core.from_json)": lambda: from_json(rows, cache_strings="keys"),
        "typed dictionaries, each on its own": lambda: [check(row) for row in from_json(rows, cache_strings="keys")],
        "as the api does, defaults filled in": lambda: read_batch(raw, size),
        "head only": lambda: BATCH.validate_python(from_json(raw)),
    }
    return {name: round(_quickest(way) / size * 1e6, 2) for name, way in ways.items()}


def _quickest(way: Callable[[], Any]) -> float:
    def once() -> float:
        started = time.process_time()
        way()
        return time.process_time() - started

    return min(once() for _ in range(30))
