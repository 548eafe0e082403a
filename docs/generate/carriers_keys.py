"""What each key of carriers.toml is, in a sentence. A key without one fails the generation."""

from __future__ import annotations

from typing import Final

CARRIER_KEYS: Final = {
    "host": "The SMSC's host name or address.",
    "port": "Its SMPP port.",
    "system_id": "The account that we bind as.",
    "password": "Of the account, at most 8 characters; write `${VARIABLE}`.",
    "system_type": "Asked for by some carriers.",
    "bind_mode": "`transceiver`: one connection a lane; `transmitter+receiver`: two.",
    "tls": "TLS to the SMSC: `enabled`, `ca_file`, `cert_file` and `key_file` (PEM), `server_name` (default: host).",
    "lanes": "Binds, over all dispatchers; at most `partitions`.",
    "partitions": "Of each of its topics. It can't be changed later: choose one that many numbers of lanes divide.",
    "tps": "The contract: segments a second over all lanes. Lanes have integer shares of it.",
    "window": "Outstanding submit_sm a bind, in segments.",
    "exposure": "Most messages of a lane in doubt after a crash; 0: the window.",
    "enquire_link_s": "Silence after which we ask for a sign of life.",
    "bind_timeout_s": "How long connecting, and the answer to a bind or enquire_link, may take.",
    "submit_timeout_s": "How long a submit_sm may go unanswered; then the message is in doubt.",
    "failover_after_s": "How long a bind may be down before the backlog is re-routed.",
    "receipt_timeout_s": "Age at which a sent message without a final receipt becomes `unknown`.",
    "receipt_timezone": "What the dates in receipts mean.",
    "receipts": "Which segments of a long message get a receipt.",
    "receipt_busy_status": "The temporary error for a receipt that can't be made durable now: the SMSC sends it again.",
    "message_id_form": "How ids are written; `auto` matches decimal with hexadecimal in either direction.",
    "default_alphabet": "What data_coding 0 means at this carrier.",
    "long_message": "How segments are marked: header with an 8 or 16 bit reference, SAR TLVs, or message_payload.",
    "validity_period": "How the carrier is told what is left of a message's time to live: seconds from now, a moment in UTC, or "
    "not at all.",
    "source": "Type of number and plan of senders that are not numeric; numeric ones get 1/1.",
    "destination": "Type of number and plan of destinations.",
    "price": "Of a segment, a decimal with up to six places.",
    "currency": "Three letters.",
    "in_doubt": "What happens to a message in doubt, by class: `resend`, `wait`, `hold`, `drop`.",
    "in_doubt_wait_s": "How long `wait` waits for evidence.",
    "test": "A simulated carrier: test keys (`sk_test_…`) reach only these.",
    "errors": 'What the carrier\'s own codes mean: `"0x00000401" = { outcome = "permanent", code = "blocked_by_carrier" }`; '
    "outcome is `accepted`, `throttled`, `temporary` or `permanent`, code one of the outcome codes.",
}
ROUTE_KEYS: Final = {
    "prefix": 'Digits that the number begins with, without a plus; `""` is the default route.',
    "classes": "The classes that it is for.",
    "carriers": "Carriers and their weights: `{ alpha = 3, beta = 1 }`.",
    "fallback": "Carriers to take when those get no new traffic, in order.",
}
INBOUND_KEYS: Final = {
    "number": "Our number, digits only.",
    "account": "The account that gets what is sent to it.",
}
