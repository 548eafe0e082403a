"""The settings: one frozen object, read once from `SMPPD_…` variables and an optional env file.

A variable that starts with SMPPD_ and is not known is refused: a misspelt setting must not pass for a default.
`docs/reference/settings.md` is made from the fields below.
"""

from __future__ import annotations

import base64
import difflib
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from runtime.compiled import SETTING
from runtime.errors import ConfigError
from schemas.sealing import parse_keys

PREFIX = "SMPPD_"
Port = Annotated[int, Field(ge=0, le=65535)]


class Settings(BaseModel):
    """Every setting, its default and what it is for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kafka_bootstrap: str = Field("127.0.0.1:9092", description="Kafka brokers to start from, `host:port,host:port`.")
    topic_prefix: str = Field(
        "", pattern=r"^[A-Za-z0-9._-]{0,60}$", description="Put before every topic and group name."
    )
    kafka_replication: int = Field(
        1, ge=1, le=9, description="Replicas of the topics that `topics` creates; 3 with several brokers."
    )
    kafka_session_timeout_ms: int = Field(
        6000,
        ge=1000,
        le=300_000,
        description="How long a process may be silent before its lanes go to others; "
        "not below the broker's group.min.session.timeout.ms.",
    )
    postgres_dsn: str = Field(
        "postgresql://127.0.0.1:5432/smpp_dispatch", description="Where the projection lives.", repr=False
    )
    carriers_file: str = Field("carriers.toml", description="Carriers, routes and inbound numbers.")
    http_host: str = Field("127.0.0.1", description="Address that the api listens on.")
    http_port: Port = Field(8080, description="Port of the api; 0 picks a free one.")
    metrics_host: str = Field("127.0.0.1", description="Address of /livez, /readyz and /metrics.")
    metrics_port: Port = Field(
        0,
        description="Port of /livez, /readyz and /metrics of a role (the api serves them on its own port too); 0 picks a free one.",
    )
    instance_id: str = Field(
        default_factory=socket.gethostname,
        pattern=r"^[A-Za-z0-9._-]{1,120}$",
        description="Unique for each process: the static membership's id. Two processes with one id throw each other out.",
    )
    seal_keys: str = Field(
        "",
        description="`id:base64,…` of 32-byte keys that seal numbers and texts; the first one seals, all open.",
        repr=False,
    )
    index_key: str = Field(
        "", description="Base64 of 16 to 64 bytes: the key of the blind index. It must never change.", repr=False
    )
    write_log: str = Field(
        "", description="A file for time, carrier, lane and segments of each write to a carrier; for drills."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe log line to write."
    )
    history_records: int = Field(
        20_000,
        ge=1000,
        le=1_000_000,
        description="How many outcomes of each partition a new owner of a lane reads back.",
    )
    leave_on_stop: bool = Field(
        False,
        description="Hand the lanes over when a dispatcher stops (scaling down), instead of keeping them for a restart.",
    )
    drain_timeout_s: float = Field(
        10.0, gt=0, le=300, description="How long a stopping process waits for answers to what it has sent."
    )
    produce_timeout_s: float = Field(
        1.5, gt=0, le=30, description="How long the api waits for Kafka before it answers 503."
    )
    intake_queue_bytes: int = Field(
        64 * 1024 * 1024,
        ge=1 << 20,
        description="Most bytes that wait for Kafka in one api process; beyond it intake answers 503.",
    )
    max_body_bytes: int = Field(
        8 * 1024 * 1024,
        ge=1024,
        le=256 * 1024 * 1024,
        description="Largest HTTP body; NDJSON streams count a line at a time.",
    )
    max_recipients: int = Field(10_000, ge=1, le=100_000, description="Most messages in one JSON batch.")
    recorder_batch_ms: int = Field(
        100, ge=1, le=10_000, description="How long the recorder gathers records before it writes, when few come."
    )
    recorder_batch_records: int = Field(
        10_000, ge=100, le=200_000, description="Most records that the recorder folds at once."
    )
    compiled: Literal["auto", "yes", "no"] = Field(
        "auto",
        description="Run the modules that `make compile` made: where they are there, always (else the process won't start), never. "
        "Of the environment only, not of an env file.",
    )
    load_key: str = Field("", description="The API key that `smpp-dispatch load` sends with.", repr=False)
    retention_days: int = Field(90, ge=1, le=3660, description="Age at which daily partitions of Postgres are dropped.")

    @field_validator("index_key")
    @classmethod
    def _index_key(cls, text: str) -> str:
        if text:
            try:
                size = len(base64.b64decode(text, validate=True))
            except ValueError:
                raise ValueError("not base64") from None
            if not 16 <= size <= 64:
                raise ValueError(f"{size} bytes, it needs 16 to 64")
        return text

    @field_validator("seal_keys")
    @classmethod
    def _seal_keys(cls, text: str) -> str:
        if text:
            parse_keys(text)
        return text

    def keys(self) -> tuple[dict[int, bytes], bytes]:
        """(seal keys, index key). Raises ConfigError when either is missing."""
        for name, value in (("SEAL_KEYS", self.seal_keys), ("INDEX_KEY", self.index_key)):
            if not value:
                raise ConfigError(
                    f"{PREFIX}{name} is not set", "`smpp-dispatch keys generate` prints one to put into the environment"
                )
        return parse_keys(self.seal_keys), base64.b64decode(self.index_key)


def load_settings(environ: Mapping[str, str], env_file: str | None = None) -> Settings:
    """Settings from the environment; an env file's lines come first and the environment overrides them.

    Raises ConfigError: an unknown key (with the nearest known one), a bad value (with what is allowed).
    """
    values = dict(_read_env_file(env_file)) if env_file else {}
    if SETTING in values:
        raise ConfigError(
            f"{SETTING} stands in {env_file}", "it counts before that is read: put it into the environment"
        )
    values.update({key: value for key, value in environ.items() if key.startswith(PREFIX)})
    given = {}
    for key, value in values.items():
        name = key.removeprefix(PREFIX).lower()
        if name not in Settings.model_fields or not key.startswith(PREFIX) or key != key.upper():
            raise ConfigError(f"unknown setting {key}", _nearest(key))
        given[name] = value
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as fault:
        first = fault.errors()[0]
        name = PREFIX + str(first["loc"][0]).upper()
        raise ConfigError(f"{name} is wrong", str(first["msg"]).removeprefix("Value error, ")) from None


def _nearest(key: str) -> str:
    # Without the prefix, which alone makes any two names look alike.
    known = [name.upper() for name in Settings.model_fields]
    close = difflib.get_close_matches(key.upper().removeprefix(PREFIX), known, 1)
    return f"did you mean {PREFIX}{close[0]}?" if close else "docs/reference/settings.md lists what there is"


def _read_env_file(path: str) -> list[tuple[str, str]]:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as fault:
        raise ConfigError(f"can't read the env file {path}", fault.strerror or str(fault)) from None
    except UnicodeDecodeError:
        raise ConfigError(f"can't read the env file {path}", "it is not UTF-8") from None
    pairs = []
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"{path}:{number} is not KEY=VALUE")
        if key.startswith(PREFIX):
            pairs.append((key.strip(), value.strip().strip("\"'")))
    return pairs
