"""What connections to Kafka have in common, whether they fetch or publish."""

from __future__ import annotations

from typing import Any


def connection_options(bootstrap: str, client_id: str) -> dict[str, Any]:
    """Of aiokafka's client and of its producer: ten seconds without an answer are a fault, what failed is tried again after
    50 ms, and who leads what is asked each minute, beside when something fails."""
    return {
        "bootstrap_servers": bootstrap,
        "client_id": client_id,
        "request_timeout_ms": 10_000,
        "retry_backoff_ms": 50,
        "metadata_max_age_ms": 60_000,
    }
