"""Bodies of what is done to messages, batches and carriers after their acceptance."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, NamedTuple, Required

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, TypeAdapter, with_config
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from api.shapes import NO_NUL

MAX_IDS: Final = 500
_STRICT: Final = ConfigDict(extra="forbid", strict=True)


def _few(value: Any) -> Any:
    if isinstance(value, list) and len(value) > MAX_IDS:
        raise PydanticCustomError("too_long", "At most {most} ids are allowed", {"most": MAX_IDS})
    return value


LEAST_REASON: Final = 3
MOST_REASON: Final = 200
"""Characters of a reason; commands keep to the same."""

Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=LEAST_REASON, max_length=MOST_REASON, pattern=NO_NUL),
    Field(description=f"Why, for the audit log: {LEAST_REASON} to {MOST_REASON} characters."),
]
Remark = Annotated[
    str,
    StringConstraints(max_length=200, pattern=NO_NUL),
    Field(description="Why, for the audit log: at most 200 characters."),
]
Time = Annotated[str, StringConstraints(max_length=40)]
Until = Annotated[Time | None, Field(description="When it reverts by itself, RFC 3339. Default: never.")]


@with_config(_STRICT)
class Note(TypedDict, total=False):
    """May be left out."""

    reason: Remark


@with_config(_STRICT)
class Reschedule(TypedDict):
    """Another time for a scheduled message."""

    send_at: Annotated[Time, Field(description="RFC 3339, at most 30 days ahead; up to 60 s in the past means now.")]


@with_config(_STRICT)
class SwitchOrder(TypedDict, total=False):
    """What a switch of a carrier needs."""

    reason: Required[Reason]
    until: Until


@with_config(_STRICT)
class TpsOrder(SwitchOrder, total=False):
    """Another rate for a carrier."""

    tps: Required[
        Annotated[
            int | None,
            Field(description="Segments a second over all lanes; null: the contract's, as carriers.toml has it."),
        ]
    ]


@with_config(_STRICT)
class Resolution(TypedDict):
    """What is to become of messages in doubt."""

    ids: Annotated[
        list[Annotated[str, StringConstraints(max_length=64)]],
        BeforeValidator(_few),
        Field(min_length=1, max_length=MAX_IDS, description=f"Ids of messages, at most {MAX_IDS}."),
    ]
    action: Annotated[
        Literal["resend", "drop"],
        Field(description="`resend`: send it again, marked as a possible duplicate; `drop`: it has failed."),
    ]
    reason: Reason


class Body(NamedTuple):
    """A shape and the names of its fields."""

    shape: TypeAdapter[Any]
    names: tuple[str, ...]


def _body(shape: Any) -> Body:
    return Body(TypeAdapter(shape), tuple(shape.__annotations__))


NOTE: Final = _body(Note)
RESCHEDULE: Final = _body(Reschedule)
SWITCH_ORDER: Final = _body(SwitchOrder)
TPS_ORDER: Final = _body(TpsOrder)
RESOLUTION: Final = _body(Resolution)
BODIES: Final[dict[str, Body]] = {
    "Note": NOTE,
    "Reschedule": RESCHEDULE,
    "SwitchOrder": SWITCH_ORDER,
    "TpsOrder": TPS_ORDER,
    "Resolution": RESOLUTION,
}
"""By their names in the OpenAPI document."""
