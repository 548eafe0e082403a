"""Examples for the documentation. Tests send every request and hold every answer against its shape."""

from __future__ import annotations

from typing import Any, Final

ID: Final = "01980c3e-7a10-7c2b-9f7e-2d1c5a4b3e21"
BATCH_ID: Final = "01980c3e-7a10-7d10-8a51-0b9c8d7e6f50"

MESSAGE_BODY: Final[dict[str, Any]] = {
    "to": "+8613800000000",
    "text": "Your code is 493817.",
    "class": "otp",
    "sender": "Acme",
    "client_ref": "o-1",
}
FULL_MESSAGE_BODY: Final[dict[str, Any]] = {
    **MESSAGE_BODY,
    "encoding": "auto",
    "max_segments": 3,
    "send_at": None,
    "ttl_s": 300,
    "campaign_id": "spring",
    "tags": ["login"],
    "metadata": {"order": "17"},
}
MESSAGE_ACCEPTED: Final[dict[str, Any]] = {
    "id": ID,
    "status": "queued",
    "class": "otp",
    "carrier": "alpha",
    "encoding": "gsm7",
    "segments": 1,
    "price": {"amount": "0.0320", "currency": "USD"},
    "accepted_at": "2026-03-02T08:15:30.120Z",
    "send_at": None,
    "expires_at": "2026-03-02T08:20:30.120Z",
    "client_ref": "o-1",
}
BATCH_BODY: Final[dict[str, Any]] = {
    "name": "March invoices",
    "defaults": {"text": "Your invoice is ready.", "class": "notice", "sender": "Acme"},
    "messages": [{"to": "+8613800000000", "client_ref": "i-1"}, {"to": "+86138", "client_ref": "i-2"}],
}
BATCH_ANSWER: Final[dict[str, Any]] = {
    "batch_id": BATCH_ID,
    "total": 2,
    "accepted": 1,
    "rejected": 1,
    "results": [
        {"index": 0, "id": ID, "status": "queued"},
        {
            "index": 1,
            "error": {
                "code": "invalid_number",
                "field": "to",
                "detail": "`to`: no number of its country has this length",
                "retryable": False,
            },
            "status": "rejected",
        },
    ],
}
STREAM_BODY: Final = (
    '{"name":"March invoices","defaults":{"text":"Your invoice is ready.","sender":"Acme"}}\n'
    '{"to":"+8613800000000","client_ref":"i-1"}\n'
    '{"to":"+8613800000001","client_ref":"i-2"}\n'
)
STREAM_ANSWER: Final = (
    f'{{"batch_id":"{BATCH_ID}"}}\n'
    f'{{"index":0,"id":"{ID}","status":"queued"}}\n'
    f'{{"index":1,"id":"{ID[:-1]}2","status":"queued"}}\n'
    f'{{"batch_id":"{BATCH_ID}","total":2,"accepted":2,"rejected":0,"complete":true}}\n'
)
PREVIEW_ANSWER: Final[dict[str, Any]] = {
    "to": "+8613800000000",
    "sender": "Acme",
    "class": "otp",
    "encoding": "gsm7",
    "segments": 1,
    "parts": [{"part": 1, "text": "Your code is 493817."}],
    "route": {"carrier": "alpha", "fallback": ["beta"]},
    "price": {"amount": "0.0320", "currency": "USD"},
    "verdicts": [],
}
SUMMARY: Final[dict[str, Any]] = {
    **MESSAGE_ACCEPTED,
    "status": "delivered",
    "is_final": True,
    "updated_at": "2026-03-02T08:15:33.904Z",
    "possible_duplicate": False,
    "in_doubt": False,
    "error": None,
    "to": "+861380****000",
    "sender": "Acme",
    "text": None,
    "batch_id": None,
    "campaign_id": None,
    "tags": ["login"],
    "metadata": {"order": "17"},
}
MESSAGE_VIEW: Final[dict[str, Any]] = {
    **SUMMARY,
    "attempts": [{"n": 1, "carrier": "alpha", "parts": [{"part": 1, "smsc_message_id": "5f1a09", "state": "DELIVRD"}]}],
    "timeline": [{"at": "2026-03-02T08:15:30.120Z", "type": "queued", "data": {}}],
}
MESSAGE_PAGE: Final[dict[str, Any]] = {"data": [SUMMARY], "next_cursor": None}
BATCH_VIEW: Final[dict[str, Any]] = {
    "batch_id": BATCH_ID,
    "name": "March invoices",
    "total": 2,
    "accepted": 1,
    "rejected": 1,
    "accepted_at": "2026-03-02T08:15:30.120Z",
    "complete": True,
    "counts": {"delivered": 1},
    "state": "active",
}
NOTE_BODY: Final[dict[str, Any]] = {"reason": "sent by mistake"}
CANCELING: Final[dict[str, Any]] = {"id": ID, "status": "queued"}
RESCHEDULE_BODY: Final[dict[str, Any]] = {"send_at": "2026-03-02T09:00:00Z"}
RESCHEDULING: Final[dict[str, Any]] = {"id": ID, "status": "scheduled", "send_at": "2026-03-02T09:00:00.000Z"}
BATCH_STANDING: Final[dict[str, Any]] = {
    "batch_id": BATCH_ID,
    "state": "paused",
    "actor": "shop/k7f3a91c20b4e",
    "reason": "sent by mistake",
    "at": "2026-03-02T08:16:00.000Z",
}
SWITCH_BODY: Final[dict[str, Any]] = {"reason": "the carrier asked us to", "until": None}
TPS_BODY: Final[dict[str, Any]] = {"tps": 200, "reason": "receipts are late", "until": None}
SWITCHED: Final[dict[str, Any]] = {
    "carrier": "alpha",
    "tps": 500,
    "contract_tps": 500,
    "switch": {
        "state": "paused",
        "tps": None,
        "actor": "ops/k7f3a91c20b4e",
        "reason": "the carrier asked us to",
        "at": "2026-03-02T08:16:00.000Z",
        "until": None,
        "tps_until": None,
    },
    "warnings": [],
}
TPS_SET: Final[dict[str, Any]] = {
    **SWITCHED,
    "tps": 200,
    "switch": {**SWITCHED["switch"], "state": "active", "tps": 200, "reason": "receipts are late"},
}
RESOLUTION_BODY: Final[dict[str, Any]] = {
    "ids": [ID, BATCH_ID],
    "action": "resend",
    "reason": "the carrier has no trace",
}
RESOLVED_PAGE: Final[dict[str, Any]] = {
    "accepted": 1,
    "rejected": 1,
    "results": [
        {"id": ID, "status": "accepted", "error": None},
        {
            "id": BATCH_ID,
            "status": "rejected",
            "error": {
                "code": "not_in_doubt",
                "field": None,
                "detail": "the message is delivered, and not in doubt",
                "retryable": False,
            },
        },
    ],
}
AUDIT_PAGE: Final[dict[str, Any]] = {
    "data": [
        {
            "at": "2026-03-02T08:16:00.000Z",
            "kind": "carrier",
            "subject": "alpha",
            "actor": "ops/k7f3a91c20b4e",
            "reason": "the carrier asked us to",
            "what": {"carrier": "alpha", "state": "paused", "tps": 0, "until_ms": 0, "tps_until_ms": 0},
        }
    ],
    "next_cursor": None,
}
INBOUND_PAGE: Final[dict[str, Any]] = {
    "data": [
        {
            "id": ID,
            "at": "2026-03-02T08:17:00.000Z",
            "carrier": "alpha",
            "from": "+861380****000",
            "to": "10690000",
            "text": None,
        }
    ],
    "next_cursor": None,
}
CARRIER_LIST: Final[dict[str, Any]] = {
    "data": [
        {
            "name": "alpha",
            "test": False,
            "state": "active",
            "tps": 500,
            "contract_tps": 500,
            "switch": None,
            "binds": 1,
            "binds_up": 1,
            "queued": {"otp": 0, "notice": 12, "marketing": 8_000},
            "lanes": [
                {
                    "lane": 0,
                    "state": "bound",
                    "since": "2026-03-02T06:00:00.000Z",
                    "instance": "dispatcher-1",
                    "detail": "",
                    "rate_tps": 500.0,
                    "queued": {"otp": 0, "notice": 12, "marketing": 8_000},
                }
            ],
        }
    ]
}
KEY_LIST: Final[dict[str, Any]] = {
    "data": [
        {
            "id": "k7f3a91c20b4e",
            "account": "shop",
            "name": "checkout",
            "scopes": ["send", "read"],
            "live": True,
            "revoked_at": None,
        }
    ]
}
DOUBT_PAGE: Final[dict[str, Any]] = {
    "data": [
        {
            "id": ID,
            "account": "shop",
            "status": "queued",
            "client_ref": "o-1",
            "class": "otp",
            "carrier": "alpha",
            "lane": 0,
            "attempt": 1,
            "reason": "owner_lost",
            "action": "resending",
            "at": "2026-03-02T08:15:31.002Z",
            "until": None,
            "open": True,
            "sent": None,
            "resolution": None,
            "resolved_at": None,
        }
    ],
    "next_cursor": None,
}
