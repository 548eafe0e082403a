"""A write to a Kafka connection that is just gone is a KafkaConnectionError, whatever the event loop calls it.

aiokafka expects OSError, as asyncio raises it. uvloop raises RuntimeError when the transport is closed and nobody was told yet;
that ended a heartbeat for good instead of for one retry (seen once, in a drill that kills the broker: a dispatcher kept an idle
bind, and was never a member again). Fetchers and senders write by the same function.
"""

from __future__ import annotations

from typing import Any

import aiokafka.errors as kafka_errors
from aiokafka.conn import AIOKafkaConnection, CloseReason

_plain_send = AIOKafkaConnection.send


def _send(self: Any, request: Any, expect_response: bool = True) -> Any:
    try:
        return _plain_send(self, request, expect_response)
    except RuntimeError as fault:
        self.close(reason=CloseReason.CONNECTION_BROKEN)
        raise kafka_errors.KafkaConnectionError(f"Connection at {self._host}:{self._port} broken: {fault}") from fault


def mend() -> None:
    """For all connections of this process, also those that are open."""
    AIOKafkaConnection.send = _send
