"""Settings, metrics, outcomes, problems, topics, carriers.toml."""

from __future__ import annotations

from typing import Any, get_args

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from api.problems import PROBLEMS
from docs.generate.carriers_keys import CARRIER_KEYS, INBOUND_KEYS, ROUTE_KEYS
from docs.generate.markdown import code, page, table
from policy.answers import DEFAULT, Meaning
from policy.outcomes import OUTCOMES
from policy.status import STATUS_OF_RECEIPT
from runtime.metrics import DEFINED
from runtime.settings import PREFIX, Settings
from schemas.carriers import Carrier, Inbound, Route
from schemas.status import Status
from schemas.topics import Topics
from smpp.core.constants import status_name
from smpp.states import MessageState

DAY_MS = 86_400_000


def settings_page() -> str:
    rows = [
        (code(PREFIX + name.upper()), _default(name, field), _limits(field), field.description)
        for name, field in Settings.model_fields.items()
    ]
    about = (
        "Read once at start from the environment, or from a file (`--env-file FILE`, lines `NAME=value`; the environment"
        " overrides it). A variable that begins with `SMPPD_` and is not listed here is refused: a misspelt setting must not"
        " pass for a default."
    )
    return page("Settings", "runtime/settings.py", about, table(("setting", "default", "allowed", "what it is"), rows))


def _default(name: str, field: FieldInfo) -> str:
    if name == "instance_id":
        return "the machine's name"
    return code(field.default) if field.default not in ("", PydanticUndefined, None) else "none"


def _limits(field: FieldInfo) -> str:
    found = []
    for rule in field.metadata:
        if isinstance(rule, Ge):
            found.append(f"≥ {rule.ge}")
        elif isinstance(rule, Gt):
            found.append(f"> {rule.gt}")
        elif isinstance(rule, Le):
            found.append(f"≤ {rule.le}")
        elif isinstance(rule, Lt):
            found.append(f"< {rule.lt}")
        elif pattern := getattr(rule, "pattern", None):
            found.append(code(pattern))
    choices = get_args(field.annotation)
    if choices and all(isinstance(choice, str) for choice in choices):
        found.append(", ".join(code(choice) for choice in choices))
    return ", ".join(found)


def metrics_page() -> str:
    rows = []
    for metric in DEFINED:
        described: Any = metric
        suffix = "_total" if metric._type == "counter" else ""
        labels = ", ".join(code(label) for label in metric._labelnames)
        rows.append((code(described._name + suffix), metric._type, labels, metric._documentation))
    about = (
        "Every role serves them on `/metrics` of `SMPPD_METRICS_PORT` (the api on its own port, too). Labels are bounded: no"
        " number, no id, no campaign. Gauges of lanes are told by each process that ever owned the lane: take `max by"
        " (carrier, lane)`. `deploy/prometheus/alerts.yml` has alerts, `deploy/grafana` a dashboard."
    )
    return page("Metrics", "runtime/metrics.py", about, table(("metric", "type", "labels", "what it tells"), rows))


def outcomes_page() -> str:
    codes = [
        (code(row.code), row.title, row.detail, _yes(row.permanent), _yes(row.retryable), row.mender)
        for row in OUTCOMES.values()
    ]
    statuses = [(code(status.label), status.value, _yes(status.is_final)) for status in Status]
    receipts = [
        (code(MessageState(state).name), state, code(status.label)) for state, status in STATUS_OF_RECEIPT.items()
    ]
    answers = [
        (code(status_name(status)), f"`0x{status:08X}`", Meaning(verdict.meaning).name.lower(), code(verdict.code))
        for status, verdict in sorted(DEFAULT.items())
    ]
    return page(
        "Statuses and outcomes",
        "schemas/status.py, policy/outcomes.py, policy/status.py and policy/answers.py",
        "## Status of a message\n\nA status moves forward; a final one stays, but for late facts that outrank it (a receipt after"
        " `unknown`, the delivery of another copy after a failure).",
        table(("status", "number", "final"), statuses),
        "## Outcome codes\n\nWhy a message failed, in `error.code`. *Permanent*: the same message to the same number would fail"
        " again. *Retryable*: another attempt may help. *Mender*: who can do something about it.",
        table(("code", "title", "what happened", "permanent", "retryable", "mender"), codes),
        "## Receipts\n\nWhat the receipt of a single segment makes of its message.",
        table(("state", "number", "status"), receipts),
        "## Answers to submit_sm\n\nThe default table. `[carriers.NAME.errors]` of carriers.toml extends it; a status that is in"
        " neither is permanent, `carrier_refused`. *Throttled* is no outcome: the lane waits and sends the message again.",
        table(("command_status", "number", "meaning", "code"), answers),
    )


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def problems_page() -> str:
    rows = [
        (code(row.code), row.status, row.title, _yes(row.retryable), row.retry_after_s or "", row.remedy)
        for row in PROBLEMS.values()
    ]
    about = (
        "Errors are `application/problem+json` (RFC 9457); `code` is stable, `detail` tells what exactly is wrong, `errors`"
        " names fields. The service itself has a page for each at the address in `type`."
    )
    header = ("code", "status", "title", "a repeat may help", "Retry-After, s", "what to do")
    return page("Problems of the HTTP API", "api/problems.py", about, table(header, rows))


def topics_page() -> str:
    rows = [
        (
            code(spec.name), spec.partitions if "CARRIER" not in spec.name else "`partitions`", spec.holds,
            ", ".join(spec.writers), ", ".join(spec.readers), _kept(spec.retention_ms, spec.compacted),
        )
        for spec in Topics("").all([("CARRIER", 12)])
    ]  # fmt: skip
    names = Topics("")
    groups = [
        (code(names.dispatch_group("CARRIER")), "dispatchers; its commits are the ledgers (docs/topics/ledger.md)"),
        (code(names.recorder_group), "recorders; it shares the load, positions are in Postgres"),
    ]
    about = (
        "`smpp-dispatch topics` makes them, with `SMPPD_TOPIC_PREFIX` in front of every name. `partitions` is the carrier's,"
        " for ever. Roles that are not there yet (`scheduler`) are named where their place is."
    )
    header = ("topic", "partitions", "holds", "written by", "read by", "kept")
    return page(
        "Kafka topics and groups", "schemas/topics.py", about, table(header, rows), table(("group", "members"), groups)
    )


def _kept(retention_ms: int, compacted: bool) -> str:
    if compacted:
        return "the newest of each key"
    return f"{retention_ms // DAY_MS} days" if retention_ms > 0 else "until settled, projected and 14 days old"


def carriers_page() -> str:
    """Raises KeyError for a key that has no sentence yet."""
    sections: list[tuple[str, type[BaseModel], dict[str, str], str]] = [
        ("[carriers.NAME]", Carrier, CARRIER_KEYS, "NAME is lower case: letters, digits, `-`, `_`."),
        ("[[routes]]", Route, ROUTE_KEYS, "The longest prefix wins; the message id decides between weights."),
        ("[[inbound]]", Inbound, INBOUND_KEYS, "Who owns what handsets send to a number."),
    ]
    parts = [
        "`smpp-dispatch carriers check FILE` tells what is wrong, with the line, and what is valid and likely not meant."
        " `${NAME}` is filled in from the environment. Unknown keys are refused. `deploy/carriers.example.toml` is a whole file."
    ]
    for title, model, keys, about in sections:
        rows = [
            (code(name), _carrier_default(field), _limits(field), keys[name])
            for name, field in model.model_fields.items()
            if name != "name"
        ]
        parts += [f"## `{title}`\n\n{about}", table(("key", "default", "allowed", "what it is"), rows)]
    return page("carriers.toml", "schemas/carriers.py and docs/generate/carriers_keys.py", *parts)


def _carrier_default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if hasattr(value, "model_dump"):
        pairs = ", ".join(f"{key} = {_toml(item)}" for key, item in value.model_dump().items())
        return code(f"{{ {pairs} }}")
    return code(_toml(value)) if value not in ({}, ()) else "none"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)
