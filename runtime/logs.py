"""Structured logs: JSON lines on stderr, numbers masked, secrets never there.

The hot path writes none; what it notices is counted, and told by whoever reads the counters.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from schemas.sealing import masked

_NUMBER = re.compile(r"\+?[0-9]{7,}")
_NUMBER_OR_SECRET = re.compile(
    r"(?P<number>\+[0-9]{7,})|(?P<key>\bsk_(?:live|test)_)\w+|(?P<user>://[^:/@\s]+:)[^@/\s]+(?=@)"
)
_NUMBER_KEYS = frozenset({"to", "from", "destination", "source", "number", "msisdn"})
_SECRET_KEYS = frozenset({"password", "secret", "token", "text", "authorization", "seal_keys", "index_key"})


def _mask(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        event[key] = _masked(key, value)
    return event


def _masked(key: str, value: Any) -> Any:
    """What of a value may be shown under this key. A plus sign makes a number anywhere; offsets and times have none."""
    if key.lower() in _SECRET_KEYS:
        return "***"
    if isinstance(value, str):
        if key.lower() in _NUMBER_KEYS:
            return _NUMBER.sub(lambda found: masked(found.group()), value)
        return _NUMBER_OR_SECRET.sub(_without, value)
    if type(value) is int and key.lower() in _NUMBER_KEYS and value >= 10**6:
        return masked(str(value))
    if isinstance(value, dict):
        return {name: _masked(str(name), item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(key, item) for item in value]
    return value


def _without(found: re.Match[str]) -> str:
    if found["number"]:
        return masked(found["number"])
    return f"{found['key'] or found['user']}***"


def configure_logs(level: str, role: str, instance: str) -> None:
    """Once a process, by the composition root."""
    logging.basicConfig(level=level.upper(), stream=sys.stderr, format="%(message)s", force=True)
    renderer = structlog.processors.JSONRenderer()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _mask,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.getLogger().handlers = [handler]
    # aiokafka reports each retry at its own pace; what matters of it we count and tell ourselves.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL if level != "debug" else logging.DEBUG)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(role=role, instance=instance)


def logger(name: str) -> Any:
    """A logger of structlog; events are short and stable, what varies is a key."""
    return structlog.get_logger(name)
