"""What clients send: the shapes of request bodies, for pydantic to check and for the OpenAPI document.

Typed dictionaries, not models: they cost a third to check (`python -m bench.api --parse`), and they tell what was given from
what wasn't, which is what the defaults of a batch need.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, TypeAdapter, with_config
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

MAX_TEXT: Final = 10_000
MAX_TTL_S: Final = 14 * 86_400
DEFAULT_MAX_SEGMENTS: Final = 10
MAX_ENTRIES: Final = 20

_STRICT: Final = ConfigDict(extra="forbid", strict=True)
# NUL is refused where Postgres will hold it: neither its text nor its jsonb can.
NO_NUL: Final = r"^[^\x00]*$"


def _few(value: Any) -> Any:
    # Before the entries are looked at: a million wrong ones would make a million faults.
    if isinstance(value, dict | list) and len(value) > MAX_ENTRIES:
        raise PydanticCustomError("too_long", "At most {most} entries are allowed", {"most": MAX_ENTRIES})
    return value


Label = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_NUL)]
LabelValue = Annotated[str, StringConstraints(max_length=256, pattern=NO_NUL)]
Reference = Annotated[str, StringConstraints(max_length=128, pattern=NO_NUL)]

To = Annotated[
    str,
    StringConstraints(max_length=40),
    Field(description="Destination in international form.", examples=["+8613800000000"]),
]
Text = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_TEXT),
    Field(description=f"What is to be said: 1 to {MAX_TEXT} characters in at most `max_segments` segments."),
]
Class = Annotated[
    Literal["otp", "notice", "marketing"],
    Field(description="Urgency and rules: `otp` never waits for the others. Default `notice`."),
]
Sender = Annotated[
    str,
    StringConstraints(max_length=16),
    Field(description="3 to 15 digits, or 1 to 11 letters, digits, spaces and common signs.", examples=["Acme"]),
]
Encoding = Annotated[
    Literal["auto", "gsm7", "ucs2", "smart"],
    Field(
        description="`auto` (default): the carrier's own alphabet if it has every character, else UCS-2. `gsm7`: refuse "
        "other characters. `smart`: as auto, with curly quotes and the like made plain where that saves UCS-2."
    ),
]
MaxSegments = Annotated[
    int, Field(ge=1, le=255, description=f"A text that takes more is refused. Default {DEFAULT_MAX_SEGMENTS}.")
]
ClientRef = Annotated[Reference | None, Field(description="Your own reference; need not be unique.")]
Ttl = Annotated[
    Annotated[int, Field(ge=1, le=MAX_TTL_S)] | None,
    Field(description="Seconds after which it is not sent any more. Default: otp 300, others 86400."),
]
SendAt = Annotated[
    Annotated[str, StringConstraints(max_length=40)] | None,
    Field(
        description="When to send it, RFC 3339, at most 30 days ahead; `ttl_s` counts from then. Up to 60 s in the past "
        "means now. Default: now.",
        examples=["2026-03-02T09:00:00Z"],
    ),
]
Campaign = Annotated[Label | None, Field(description="The campaign that it belongs to.")]
Tags = Annotated[list[Label], BeforeValidator(_few), Field(max_length=MAX_ENTRIES, description="For finding it again.")]
Metadata = Annotated[
    dict[Label, LabelValue],
    BeforeValidator(_few),
    Field(max_length=MAX_ENTRIES, description="Pairs of strings, given back as they are."),
]

Defaults = TypedDict(
    "Defaults",
    {
        "text": Text,
        "class": Class,
        "sender": Sender,
        "encoding": Encoding,
        "max_segments": MaxSegments,
        "client_ref": ClientRef,
        "send_at": SendAt,
        "ttl_s": Ttl,
        "campaign_id": Campaign,
        "tags": Tags,
        "metadata": Metadata,
    },
    total=False,
)
with_config(_STRICT)(Defaults)


@with_config(_STRICT)
class Message(Defaults, total=False):
    """One message. No field is required here: in a batch, the defaults may give it."""

    to: To


@with_config(_STRICT)
class BatchHead(TypedDict, total=False):
    """What stands around the messages of a batch, and in the first line of a stream."""

    name: Annotated[Reference, Field(description="For people; need not be unique.")]
    defaults: Annotated[Defaults, Field(description="Holds for each message that does not say otherwise.")]


@with_config(_STRICT)
class Batch(BatchHead, total=False):
    """A batch, its messages still unchecked: each is checked on its own, so that none spoils the others."""

    messages: list[Any]


MESSAGE: Final = TypeAdapter(Message)
BATCH_HEAD: Final = TypeAdapter(BatchHead)
BATCH: Final = TypeAdapter(Batch)
FIELD_NAMES: Final = (*Defaults.__annotations__, "to", "name", "defaults", "messages")
REQUIRED: Final = ("to", "text", "sender")
