"""The counters as GET /stats tells them; the names at the top level are the contract's."""

from __future__ import annotations

from typing import Any

from simulator.account import Account
from simulator.connection import Connection
from simulator.smsc import Smsc
from smpp.core.constants import CommandStatus, status_name


def stats(smsc: Smsc) -> dict[str, Any]:
    """All counters since the start. `submits` are received ones, `throttled` those answered ESME_RTHROTTLED."""
    accounts = {name: _account(account) for name, account in smsc.accounts.items()}
    receipts = ("sent", "acked", "pending", "resent", "refused", "lost", "dropped", "flood")
    return {
        "seed": smsc.seed,
        "binds": [_bind(connection) for connection in smsc.connections if connection.mode],
        "submits": sum(account["submits"] for account in accounts.values()),
        "accepted": sum(account["accepted"] for account in accounts.values()),
        "distinct_messages": smsc.identities.distinct,
        "repeats": smsc.identities.repeats,
        "identities_full": smsc.identities.full,
        "throttled": sum(account["throttled"] for account in accounts.values()),
        "max_1s": {name: account["max_1s"] for name, account in accounts.items()},
        "receipts": {key: sum(account["receipts"][key] for account in accounts.values()) for key in receipts},
        "mo": sum(account["mo"] for account in accounts.values()),
        "faults_fired": dict(smsc.faults.fired),
        "accounts": accounts,
    }


def _account(account: Account) -> dict[str, Any]:
    counters = account.counters
    return {
        "submits": counters.submits,
        "accepted": counters.accepted,
        "unanswered": counters.unanswered,
        "throttled": counters.statuses[CommandStatus.ESME_RTHROTTLED],
        "statuses": {status_name(status): number for status, number in counters.statuses.items() if number},
        "max_1s": account.limiter.most,
        "receipts": {
            "sent": counters.sent,
            "acked": counters.acked,
            "pending": counters.pending,
            "resent": counters.resent,
            "refused": counters.refused,
            "lost": counters.lost,
            "dropped": counters.dropped,
            "flood": counters.flood,
            "kept": len(account.kept),
        },
        "mo": counters.mo,
        "mo_acked": counters.mo_acked,
        "notes": dict(counters.notes),
    }


def _bind(connection: Connection) -> dict[str, Any]:
    return {
        "bind": connection.number,
        "system_id": connection.system_id,
        "mode": connection.mode,
        "peer": connection.peer(),
        "submits": connection.submits,
        "unanswered": connection.unanswered,
        "outstanding": connection.session.outstanding,
        "backlog": len(connection.backlog),
        "blocked": connection.blocked,
    }
