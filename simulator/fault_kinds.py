"""The table of every fault there is, by the name that the control plane knows it by."""

from __future__ import annotations

from typing import Any, Final

from simulator.faults import Fault
from simulator.faults_of_binds import Dribble, Freeze, Garbage, Outage, RefuseBinds, Unbind
from simulator.faults_of_receipts import ReceiptDuplicate, ReceiptFlood, ReceiptLoss, ReceiptReorder
from simulator.faults_of_submits import (
    Disconnect,
    EmptyId,
    Error,
    GenericNack,
    LateResponse,
    QueueFull,
    Silence,
    Slow,
    Throttle,
)

KINDS: Final[dict[str, type[Fault]]] = {
    "freeze": Freeze,
    "disconnect": Disconnect,
    "silence": Silence,
    "late_response": LateResponse,
    "slow": Slow,
    "throttle": Throttle,
    "queue_full": QueueFull,
    "error": Error,
    "generic_nack": GenericNack,
    "empty_id": EmptyId,
    "refuse_binds": RefuseBinds,
    "outage": Outage,
    "unbind": Unbind,
    "garbage": Garbage,
    "dribble": Dribble,
    "receipt_loss": ReceiptLoss,
    "receipt_duplicate": ReceiptDuplicate,
    "receipt_reorder": ReceiptReorder,
    "receipt_flood": ReceiptFlood,
}


def described(fault: Fault, now: float) -> dict[str, Any]:
    """An active fault for GET /faults."""
    left = None if fault.until is None else round(max(0.0, fault.until - now), 3)
    return {
        "fault_id": fault.id,
        "name": fault.name,
        "fired": fault.fired,
        "ends_in_s": left,
        "options": fault.options.model_dump(mode="json", exclude_defaults=True),
    }
