"""Carriers, routes and inbound numbers as frozen values: the meaning of carriers.toml. Reading the file is
runtime.carriers_file; what a carrier's quirks do is the rooms' business, which find them here as data."""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from schemas.classes import CLASS_NAMES, CLASS_NUMBERS

MAX_EXPOSURE = 1000
"""Open offsets of one queue must fit the 4 KiB of an offset commit's metadata, whatever their distances."""

MessageClass = Literal["otp", "notice", "marketing"]
InDoubtPolicy = Literal["resend", "wait", "hold", "drop"]
_STATUS_CODE = re.compile(r"(0[xX])?[0-9a-fA-F]{1,8}\Z").match
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]


class Value(BaseModel):
    """Immutable, and refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Tls(Value):
    enabled: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""


class NumberPlan(Value):
    """Type of number and numbering plan (SMPP 3.4 §5.2.5, §5.2.6)."""

    ton: int = Field(ge=0, le=255)
    npi: int = Field(ge=0, le=255)


class InDoubtPolicies(Value):
    """What happens to a message that may or may not have been sent, by class."""

    otp: InDoubtPolicy = "resend"
    notice: InDoubtPolicy = "resend"
    marketing: InDoubtPolicy = "wait"

    @cached_property
    def by_class(self) -> tuple[InDoubtPolicy, ...]:
        return (self.otp, self.notice, self.marketing)


class ErrorRule(Value):
    """What one of this carrier's codes means here. `code` is one of policy.outcomes."""

    outcome: Literal["accepted", "throttled", "temporary", "permanent"]
    code: str = ""


class Carrier(Value):
    """One carrier. Durations are seconds, rates segments a second, window and exposure are counted per bind."""

    name: Name
    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65535)
    system_id: str = Field(min_length=1, max_length=15)
    password: str = Field(default="", max_length=8, repr=False)
    system_type: str = Field(default="", max_length=12)
    bind_mode: Literal["transceiver", "transmitter+receiver"] = "transceiver"
    tls: Tls = Tls()
    lanes: int = Field(default=1, ge=1, le=256)
    partitions: int = Field(default=12, ge=1, le=256)
    tps: int = Field(ge=1, le=1_000_000)
    window: int = Field(default=10, ge=1, le=10_000)
    exposure: int = Field(default=0, ge=0, le=MAX_EXPOSURE)
    enquire_link_s: float = Field(default=30, gt=0, le=3600)
    bind_timeout_s: float = Field(default=10, gt=0, le=300)
    submit_timeout_s: float = Field(default=60, gt=0, le=3600)
    failover_after_s: float = Field(default=30, gt=0)
    receipt_timeout_s: int = Field(default=259_200, ge=60, le=1_209_600)
    receipt_timezone: str = "UTC"
    receipts: Literal["each", "first", "last"] = "each"
    receipt_busy_status: str = Field(default="0x00000064", pattern=r"^0x[0-9a-fA-F]{1,8}$")
    message_id_form: Literal["verbatim", "hex", "dec", "auto"] = "auto"
    default_alphabet: Literal["gsm7", "gsm7-packed", "latin1", "ascii"] = "gsm7"
    long_message: Literal["udh8", "udh16", "sar", "payload"] = "udh8"
    validity_period: Literal["relative", "absolute", "none"] = "relative"
    source: NumberPlan = NumberPlan(ton=5, npi=0)
    destination: NumberPlan = NumberPlan(ton=1, npi=1)
    price: str = "0"
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    in_doubt: InDoubtPolicies = InDoubtPolicies()
    in_doubt_wait_s: float = Field(default=600, gt=0, le=86_400)
    test: bool = False
    errors: dict[str, ErrorRule] = {}

    @field_validator("receipt_timezone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"no such time zone: {zone!r}; write one like Europe/Berlin") from None
        return zone

    @field_validator("price")
    @classmethod
    def _price_in_micros(cls, price: str) -> str:
        try:
            micros = Decimal(price) * 1_000_000
        except ArithmeticError:
            raise ValueError(f"not a decimal number: {price!r}") from None
        if micros != micros.to_integral_value() or not 0 <= micros < 10**12:
            raise ValueError("a price is 0 or more, with at most six decimals")
        return price

    @field_validator("receipt_busy_status")
    @classmethod
    def _no_success(cls, status: str) -> str:
        if int(status, 16) == 0:
            raise ValueError(
                "0 would acknowledge receipts that are not durable; write a temporary error, like 0x00000064"
            )
        return status

    @field_validator("errors")
    @classmethod
    def _status_codes(cls, errors: dict[str, ErrorRule]) -> dict[str, ErrorRule]:
        seen: dict[int, str] = {}
        for text in errors:
            if _STATUS_CODE(text) is None:
                raise ValueError(f"{text!r} is not a command_status; write it like 0x00000401")
            status = int(text, 16)
            if status == 0:
                raise ValueError(f"{text!r} is ESME_ROK: what a carrier accepted is accepted")
            if status in seen:
                raise ValueError(f"{seen[status]!r} is there twice, the second time as {text!r}")
            seen[status] = text
        return errors

    @model_validator(mode="after")
    def _consistent(self) -> Carrier:
        if self.lanes > self.partitions:
            raise ValueError(f"lanes ({self.lanes}) must not exceed partitions ({self.partitions})")
        if self.tps < self.lanes:
            raise ValueError(f"tps ({self.tps}) must be at least lanes ({self.lanes}): each lane needs a share")
        return self

    @cached_property
    def exposure_limit(self) -> int:
        """Most messages in doubt after one loss of a lane: `exposure`, by default the window."""
        return self.exposure or min(self.window, MAX_EXPOSURE)

    @cached_property
    def price_micros(self) -> int:
        return int(Decimal(self.price) * 1_000_000)

    @cached_property
    def error_rules(self) -> dict[int, ErrorRule]:
        return {int(text, 16): rule for text, rule in self.errors.items()}

    @cached_property
    def bind_facts(self) -> tuple[object, ...]:
        """What a bind is made with: a change of any of these needs a new one."""
        return (
            self.host, self.port, self.system_id, self.password, self.system_type, self.bind_mode, self.tls,
            self.enquire_link_s, self.bind_timeout_s, self.submit_timeout_s,
        )  # fmt: skip

    @cached_property
    def busy_status(self) -> int:
        return int(self.receipt_busy_status, 16)


class Route(Value):
    """Which carriers take a prefix: weights share the messages out by a hash of the id; `fallback` in order."""

    prefix: str = Field(default="", pattern=r"^[0-9]{0,15}$")
    classes: tuple[MessageClass, ...] = CLASS_NAMES
    carriers: dict[str, int] = Field(min_length=1)
    fallback: tuple[str, ...] = ()

    @field_validator("carriers")
    @classmethod
    def _weights(cls, carriers: dict[str, int]) -> dict[str, int]:
        for name, weight in carriers.items():
            if not 0 < weight <= 10_000:
                raise ValueError(f"the weight of {name} must be from 1 to 10000")
        return carriers

    @cached_property
    def class_numbers(self) -> frozenset[int]:
        return frozenset(CLASS_NUMBERS[name] for name in self.classes)


class Inbound(Value):
    """Which account gets what handsets send to a number."""

    number: str = Field(pattern=r"^[0-9]{3,15}$")
    account: Name


class CarrierBook(Value):
    """All of carriers.toml."""

    carriers: dict[str, Carrier] = {}
    routes: tuple[Route, ...] = ()
    inbound: tuple[Inbound, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _name_carriers(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("carriers"), dict):
            for name, body in data["carriers"].items():
                if isinstance(body, dict) and body.get("name", name) != name:
                    raise ValueError(f"the carrier {name!r} has another `name` inside its table: leave that out")
            named = {
                name: {**body, "name": name} if isinstance(body, dict) else body
                for name, body in data["carriers"].items()
            }
            return {**data, "carriers": named}
        return data

    @model_validator(mode="after")
    def _routes_lead_somewhere(self) -> CarrierBook:
        seen: set[tuple[str, str]] = set()
        for number, route in enumerate(self.routes, 1):
            for name in (*route.carriers, *route.fallback):
                if name not in self.carriers:
                    raise ValueError(f"route {number} names the carrier {name!r}, which is not in the file")
            for cls in route.classes:
                if (route.prefix, cls) in seen:
                    raise ValueError(f"route {number} repeats prefix {route.prefix!r} for {cls}")
                seen.add((route.prefix, cls))
        return self

    def routing_mark(self) -> str:
        """Eight hex digits that are others when a message may be routed another way, whatever else the file says."""
        ways = [route.model_dump_json() for route in self.routes]
        carriers = [f"{carrier.name} {carrier.test} {carrier.partitions}" for carrier in self.carriers.values()]
        return hashlib.blake2s("\n".join((*ways, *carriers)).encode(), digest_size=4).hexdigest()

    @field_validator("inbound")
    @classmethod
    def _one_account_a_number(cls, inbound: tuple[Inbound, ...]) -> tuple[Inbound, ...]:
        numbers: set[str] = set()
        for entry in inbound:
            if entry.number in numbers:
                raise ValueError(f"the number {entry.number} is there twice: what is sent to it has one account")
            numbers.add(entry.number)
        return inbound

    @cached_property
    def accounts_by_number(self) -> dict[str, str]:
        return {entry.number: entry.account for entry in self.inbound}
