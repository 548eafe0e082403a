"""What the SMSC is like today, as values: limits, latency, outcomes, receipts; for all accounts and for each.

A scenario is JSON or TOML. Its top level holds for every account; `accounts.NAME` overrides any part of it; `preset`
names a scenario of `presets.py` to start from.
"""

from __future__ import annotations

import re
import string
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from simulator.distributions import NONE, Distribution, Model, Seconds, Share
from smpp.core.constants import CommandStatus

MOST_ACCOUNTS = 10_000
STANDARD_TEXT: Final = (
    "id:{id} sub:{sub} dlvrd:{dlvrd} submit date:{submit} done date:{done} stat:{stat} err:{err} text:{text}"
)
TEXT_FIELDS: Final = frozenset(name for _, name, _, _ in string.Formatter().parse(STANDARD_TEXT) if name)
DATES: Final = {
    "yyMMddHHmm": "%y%m%d%H%M",
    "yyMMddHHmmss": "%y%m%d%H%M%S",
    "yyyyMMddHHmm": "%Y%m%d%H%M",
    "yyyyMMddHHmmss": "%Y%m%d%H%M%S",
}
ERRORS: Final = {"DELIVRD": "000", "UNDELIV": "027", "EXPIRED": "254", "REJECTD": "255", "DELETED": "253"}


def _status(value: Any) -> Any:
    if isinstance(value, str):
        if value in CommandStatus.__members__:
            return int(CommandStatus[value])
        try:
            return int(value, 16 if value.lower().startswith("0x") else 10)
        except ValueError:
            raise ValueError(f"{value!r} is no command_status: write ESME_RTHROTTLED, 0x58 or 88") from None
    return value


Status = Annotated[int, BeforeValidator(_status), Field(ge=0, le=0xFFFFFFFF)]
StatusKey = Annotated[int, BeforeValidator(_status), Field(ge=1, le=0xFFFFFFFF)]
IdForm = Literal[
    "dec", "hex", "upper", "hex-dec", "dec-hex", "padded", "padded-stripped", "lower-upper", "huge", "long", "empty"
]
State = Annotated[str, Field(min_length=1, max_length=12, pattern=r"^[ -~]+$")]


def regexp(pattern: str | None) -> str | None:
    """Raises ValueError for what is no regular expression."""
    try:
        re.compile(pattern or "")
    except re.error as fault:
        raise ValueError(f"{pattern!r} is no regular expression: {fault}") from None
    return pattern


class Match(Model):
    """Which submits are meant; what is not given matches all. `text` is searched in the decoded text."""

    prefix: str = Field(default="", description="The destination starts with this (digits, no +).")
    source: str = Field(default="", description="The sender starts with this.")
    text: Annotated[str, BeforeValidator(regexp)] | None = Field(default=None, description="A regular expression.")


class Rule(Model):
    """What happens to the submits that match; the first rule that fits wins, `share` of the time."""

    match: Match = Match()
    share: Share = 1
    status: Status = 0
    silent: bool = Field(default=False, description="Accepted, never answered.")
    latency: Distribution | None = None
    state: State | None = Field(default=None, description="The receipt's state, instead of the mix.")
    err: str | None = None
    reply: str | None = Field(default=None, max_length=1000, description="The handset answers with this text (an MO).")


class Receipts(Model):
    """How messages end, and how that is told."""

    states: dict[State, Annotated[float, Field(ge=0)]] = Field(default={"DELIVRD": 1.0}, description="State: weight.")
    errors: dict[State, str] = Field(default=ERRORS, description="The err field by state.")
    spelling: dict[State, str] = Field(default={}, description="How this SMSC writes a state in the text.")
    delay: Distribution = NONE
    segments: Literal["each", "first", "last"] = "each"
    bind: Literal["origin", "sibling", "spread"] = Field(
        default="origin", description="Where to: the bind that submitted, another of the account, or any."
    )
    duplicate: Share = 0
    loss: Share = 0
    early: Share = Field(default=0, description="Sent before the submit_sm_resp, without delay.")
    reorder: Share = Field(default=0, description="Delayed by up to reorder_s more.")
    reorder_s: Seconds = 2
    intermediate: Share = Field(default=0, description="An ENROUTE first.")
    template: str = Field(
        default=STANDARD_TEXT, max_length=400, description="The text; leave out, rename or move any field."
    )
    told_by: Literal["text", "tlvs", "both"] = "both"
    dates: Literal["yyMMddHHmm", "yyMMddHHmmss", "yyyyMMddHHmm", "yyyyMMddHHmmss"] = "yyMMddHHmm"
    timezone: str = "UTC"
    esm_class: int = Field(default=0x04, ge=0, le=255)
    pdu: Literal["deliver_sm", "data_sm"] = "deliver_sm"
    in_payload: bool = Field(default=False, description="The text in message_payload.")
    ucs2: bool = False
    retry_s: Seconds = Field(default=5, description="Sent again this long after a refusal or a lost bind.")
    response_timeout_s: Seconds = Field(default=60, description="Unanswered for this long: sent again. 0: never.")
    window: int = Field(default=1000, ge=1, le=100_000, description="Most deliver_sm without a response, a bind.")
    kept: int = Field(default=1_000_000, ge=0, le=10_000_000, description="Most that wait while no bind takes them.")

    @field_validator("states")
    @classmethod
    def _some_weight(cls, states: dict[str, float]) -> dict[str, float]:
        if sum(states.values()) <= 0:
            raise ValueError("at least one state needs a weight above 0")
        return states

    @field_validator("template")
    @classmethod
    def _known_fields(cls, template: str) -> str:
        names = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
        strange = sorted(set(names) - TEXT_FIELDS)
        if strange:
            raise ValueError(f"{{{strange[0]}}} is not a field; there are {', '.join(sorted(TEXT_FIELDS))}")
        return template

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"no such time zone: {zone!r}; write one like Europe/Berlin") from None
        return zone


class MoTraffic(Model):
    """Handsets that write unasked."""

    per_s: float = Field(default=0, ge=0, le=10_000)
    source: str = Field(default="8613900000000", max_length=20, pattern=r"^[ -~]*$")
    destination: str = Field(default="10690000", max_length=20, pattern=r"^[ -~]*$")
    text: str = Field(default="hello", max_length=1000)


class AccountScenario(Model):
    """The SMSC as one account sees it. Durations are seconds, rates segments a second."""

    password: str | None = Field(default=None, description="None: any is right.")
    tps: int | None = Field(default=None, ge=1, le=10_000_000)
    max_binds: int | None = Field(default=None, ge=0, le=10_000)
    too_many_binds_status: Status = int(CommandStatus.ESME_RALYBND)
    bind_modes: tuple[Literal["transmitter", "receiver", "transceiver"], ...] = (
        "transmitter", "receiver", "transceiver",
    )  # fmt: skip
    window: int | None = Field(
        default=None, ge=1, description="Most submits without a response, a bind; more are refused."
    )
    window_status: Status = int(CommandStatus.ESME_RTHROTTLED)
    queue_limit: int | None = Field(default=None, ge=1, description="Most receipts pending; beyond it ESME_RMSGQFUL.")
    session_messages: int | None = Field(default=None, ge=1, description="Submits after which the bind is dropped.")
    idle_drop_s: Seconds = Field(default=0, description="A bind silent for this long is dropped. 0: never.")
    enquire_link_s: Seconds = Field(default=60, description="Silence after which the SMSC asks. 0: never.")
    message_id_form: IdForm = "dec"
    refusal_body: Literal["none", "empty_id", "tlv"] = Field(
        default="none", description="What follows an error's header."
    )
    latency: Distribution = NONE
    errors: dict[StatusKey, Share] = Field(default={}, description="Status: share of submits refused with it.")
    rules: tuple[Rule, ...] = ()
    receipts: Receipts = Receipts()
    mo: MoTraffic = MoTraffic()

    @field_validator("errors")
    @classmethod
    def _at_most_all(cls, errors: dict[int, float]) -> dict[int, float]:
        if sum(errors.values()) > 1:
            raise ValueError("the shares add up to more than 1")
        return errors


class Scenario(AccountScenario):
    """A whole scenario. Accounts are let in by name; without any, every system_id is."""

    preset: str | None = Field(default=None, description="What this starts from; already merged in when it gets here.")
    first_message_id: int | None = Field(
        default=None, ge=1, le=2**63, description="At the start only; None: made from the time."
    )
    keep_submits: bool = Field(default=False, description="Keep the last 100,000 for GET /submits.")
    identities: int = Field(
        default=5_000_000, ge=0, le=200_000_000, description="Most messages remembered to tell repeats."
    )
    accounts: dict[Annotated[str, Field(min_length=1, max_length=15)], dict[str, Any]] = Field(
        default={}, max_length=MOST_ACCOUNTS, description="Overrides by system_id."
    )

    @model_validator(mode="after")
    def _accounts_make_sense(self) -> Scenario:
        for name in self.accounts:
            self.account(name)
        return self

    def account(self, system_id: str) -> AccountScenario:
        """The scenario of one account: the top level with its overrides. Raises ValueError naming what is wrong."""
        base = self.model_dump(include=set(AccountScenario.model_fields), exclude_unset=True)
        try:
            return AccountScenario.model_validate(merged(base, self.accounts.get(system_id, {})))
        except ValidationError as fault:
            raise ValueError(f"accounts.{system_id}.{first_fault(fault)}") from None


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`base` with `over` laid on it. Only tables of options are merged; weights and distributions are one value."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        if not isinstance(old, dict) or not isinstance(value, dict):
            result[key] = value
        elif key == "accounts":
            result[key] = old | {name: merged(old.get(name, {}), given) for name, given in value.items()}
        else:
            result[key] = merged(old, value) if key in ("receipts", "mo") else value
    return result


def first_fault(fault: ValidationError) -> str:
    """One line: where, and what is allowed."""
    first = fault.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    what = first["msg"].removeprefix("Value error, ")
    return f"{where}: {what}" if where else what
