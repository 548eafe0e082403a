"""Reading request bodies: JSON to orders, faults to Refusals that name the field, the code and the remedy.

A body is parsed once, then each message of it is checked on its own: one that is wrong never spoils the others.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from api.problems import MAX_ERRORS, FieldFault, Refusal, refusal
from api.shapes import BATCH, BATCH_HEAD, DEFAULT_MAX_SEGMENTS, FIELD_NAMES, MESSAGE, REQUIRED, Defaults

_SHOWN: Final = 64
"""Characters of a name that the client made up which an answer repeats."""


class Order(NamedTuple):
    """One message as asked for, with every default filled in. What it asks for may still be impossible."""

    to: str
    text: str
    cls: str
    sender: str
    encoding: str
    max_segments: int
    client_ref: str | None
    send_at: str | None
    ttl_s: int | None
    campaign: str | None
    tags: list[str]
    metadata: dict[str, str]


_FILL: Final = itemgetter(
    "to",
    "text",
    "class",
    "sender",
    "encoding",
    "max_segments",
    "client_ref",
    "send_at",
    "ttl_s",
    "campaign_id",
    "tags",
    "metadata",
)
_BASE: Final[Mapping[str, Any]] = {
    "class": "notice",
    "encoding": "auto",
    "max_segments": DEFAULT_MAX_SEGMENTS,
    "client_ref": None,
    "send_at": None,
    "ttl_s": None,
    "campaign_id": None,
    "tags": [],
    "metadata": {},
}


class BatchOrder(NamedTuple):
    """A batch as asked for; a message that is wrong has its Refusal in its place."""

    name: str
    rows: Sequence[Order | Refusal]


class StreamHead(NamedTuple):
    """What the first line of a stream told, or nothing."""

    name: str
    defaults: Mapping[str, Any]


NO_HEAD: Final = StreamHead("", _BASE)


def read_json(raw: bytes) -> Any:
    """The value that a body holds. Raises Refusal (invalid_json)."""
    try:
        return from_json(raw, allow_inf_nan=False, cache_strings="keys")
    except ValueError as fault:
        raise refusal("invalid_json", str(fault)) from None


def read_message(raw: bytes) -> Order:
    """The body of POST /v1/messages. Raises Refusal."""
    return order_of(read_json(raw), _BASE)


def read_batch(raw: bytes, most: int) -> BatchOrder:
    """The body of POST /v1/batches. Raises Refusal when the batch as a whole is wrong or has over `most` messages."""
    body = checked(BATCH, read_json(raw))
    rows = body.get("messages")
    if not rows:
        raise refusal("missing_field", "`messages` is required, with at least one message", "messages")
    if len(rows) > most:
        raise refusal("too_many_recipients", f"`messages` has {len(rows)} entries, {most} are allowed", "messages")
    defaults = with_defaults(body.get("defaults", {}))
    return BatchOrder(body.get("name", ""), [order_or_refusal(row, defaults) for row in rows])


def with_defaults(given: Defaults) -> dict[str, Any]:
    """The service's defaults, overridden by those of a batch."""
    return {**_BASE, **given}


def order_of(value: Any, defaults: Mapping[str, Any]) -> Order:
    """One message of a parsed body. Raises Refusal."""
    merged = {**defaults, **checked(MESSAGE, value)}
    try:
        return Order._make(_FILL(merged))
    except KeyError:
        raise Refusal(
            *(
                FieldFault(name, "missing_field", f"`{name}` is required: add it")
                for name in REQUIRED
                if name not in merged
            )
        ) from None


def order_or_refusal(value: Any, defaults: Mapping[str, Any]) -> Order | Refusal:
    """As `order_of`, the Refusal as a value: for one row among others."""
    try:
        return order_of(value, defaults)
    except Refusal as fault:
        return fault


def stream_head(value: Any) -> StreamHead | None:
    """The first line of a stream, if it is `{"name"?, "defaults"?}` and not a message. Raises Refusal."""
    if not isinstance(value, dict) or not value.keys() & {"name", "defaults"}:
        return None
    head = checked(BATCH_HEAD, value)
    return StreamHead(head.get("name", ""), with_defaults(head.get("defaults", {})))


def checked(shape: TypeAdapter[Any], value: Any, names: Sequence[str] = FIELD_NAMES) -> Any:
    """A parsed value in its shape. `names`: the fields that there are. Raises Refusal."""
    # An object of more keys than there are fields has an unknown one; looking no further bounds the work on hostile ones.
    if isinstance(value, dict) and len(value) > len(names):
        raise Refusal(_unknown(next(key for key in value if key not in names), (), names))
    try:
        return shape.validate_python(value)
    except ValidationError as fault:
        errors = fault.errors(include_url=False, include_input=False, include_context=False)
        raise Refusal(*faults_of(errors, names)) from None


def faults_of(errors: Sequence[Any], names: Sequence[str] = FIELD_NAMES) -> list[FieldFault]:
    """pydantic's errors as ours; at most MAX_ERRORS. `names`: the fields that there are, to suggest one."""
    return [_fault(error, names) for error in errors[:MAX_ERRORS]]


def _fault(error: Any, names: Sequence[str]) -> FieldFault:
    kind, where = error["type"], error["loc"]
    field = path_of(where)
    if kind == "extra_forbidden":
        return _unknown(str(where[-1]), where[:-1], names)
    if kind == "missing":
        return FieldFault(field, "missing_field", f"`{field}` is required: add it")
    if kind == "string_too_short" and where[-1:] == ("text",):
        return FieldFault(field, "empty_text", f"`{field}` is empty: write at least one character")
    if kind == "string_pattern_mismatch":  # shapes.NO_NUL is the only pattern
        return FieldFault(field, "invalid_field", f"`{field}`: a NUL character is not allowed")
    message = str(error["msg"]).removeprefix("Value error, ")
    return FieldFault(field, "invalid_field", f"`{field}`: {message}" if field else message)


def _unknown(name: str, where: tuple[str | int, ...], names: Sequence[str] = FIELD_NAMES) -> FieldFault:
    shown = name[:_SHOWN]
    close = difflib.get_close_matches(shown, names, 1)
    hint = f"did you mean `{close[0]}`?" if close else "leave it out"
    return FieldFault(path_of((*where, shown)), "unknown_field", f"there is no field `{shown}`: {hint}")


def path_of(where: Sequence[str | int]) -> str:
    """`("messages", 3, "to")` as `messages[3].to`."""
    path = ""
    for step in where:
        path += f"[{step}]" if isinstance(step, int) else f".{step[:_SHOWN]}" if path else step[:_SHOWN]
    return path
