"""POST /v1/batches with a JSON body: all messages at once, a result for each, one record for the batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from api.acceptance import NOT_CONFIRMED, Answer, Desk
from api.acceptance import REPLAYED as REPLAYED_HEADER
from api.answers import BatchResult, encode_json
from api.bodies import BatchOrder, read_batch
from api.idempotency import Names, hash_of, reused
from api.intake import Accepted, Caller
from api.posting import unavailable
from api.problems import MAX_ERRORS, FieldFault, Refusal
from api.quotas import Taken
from api.rows import Known, Row, Ruling, Tally, known_rows, queues_of, rule_all, tell
from runtime.metrics import INTAKE
from schemas.ids import to_text
from schemas.records import BatchAccepted
from store.rows import KeyedRow


class _Request(NamedTuple):
    caller: Caller
    order: BatchOrder
    body_hash: bytes | None
    names: Names
    taken: Taken


async def accept_batch(desk: Desk, caller: Caller, raw: bytes, key: str | None) -> Answer:
    """202 with a result for each message, or a Refusal: of the request, or since no message of it got through."""
    try:
        desk.admit(caller.account)
        order = read_batch(raw, desk.max_recipients)
        with desk.quotas.taking(caller.account, len(order.rows)) as taken:
            if key is None:
                names = desk.names(caller.account, None, desk.clock.wall_ms())
                return await _accept(desk, _Request(caller, order, None, names, taken))
            return await _keyed(desk, caller, order, hash_of(raw), key, taken)
    except Refusal as fault:
        if not fault.counted:
            INTAKE.labels("unknown", fault.code).inc()
        raise


async def _keyed(desk: Desk, caller: Caller, order: BatchOrder, body_hash: bytes, key: str, taken: Taken) -> Answer:
    seen, first = desk.recent.claim(caller.account, key, body_hash, desk.clock.wall_ms())
    names = desk.names(caller.account, key, seen.at_ms)
    try:
        return await _accept(desk, _Request(caller, order, body_hash, names, taken))
    except Refusal as fault:
        if first and fault.code != "intake_unavailable":
            desk.recent.forget(caller.account, key)
        raise


async def _accept(desk: Desk, request: _Request) -> Answer:
    rows = [Row(order, request.body_hash) for order in request.order.rows]
    known = await _known(desk, request, len(rows))
    batch_id = request.names.batch()
    ids = request.names.messages(0, len(rows))
    rulings = await rule_all(desk, request.caller, rows, ids, known, 0, batch_id)
    fresh = request.taken.spent = sum(isinstance(ruling, Accepted) for ruling in rulings)
    repeats = sum(isinstance(ruling, Known) for ruling in rulings)
    record = _record(desk, request, batch_id, len(rows), fresh + repeats)
    queues = queues_of(rulings)
    if queues:
        place, entry = desk.intake.batch_entry(record)
        # Messages for later may go to the same partition.
        queues.setdefault(place, []).append(entry)
    unconfirmed = await desk.posting.post(queues)
    tally = Tally()
    results = tell(rows, rulings, 0, unconfirmed, tally)
    _check_some_accepted(tally, rulings)
    if unconfirmed:
        # The counts that Kafka may have are wrong, or it has none: say again, as soon as it hears us.
        desk.posting.note(*desk.intake.batch_entry(_record(desk, request, batch_id, len(rows), tally.accepted)))
    body = BatchResult(to_text(batch_id), len(rows), tally.accepted, tally.rejected, results)
    headers = {"Location": f"/v1/batches/{body.batch_id}"}
    return Answer(202, encode_json(body), headers if fresh else {**headers, **REPLAYED_HEADER})


async def _known(desk: Desk, request: _Request, count: int) -> Mapping[int, KeyedRow]:
    known = await known_rows(desk, request.names, 0, count)
    if any(row.body_hash != request.body_hash for row in known.values()):
        raise reused()
    return known


def _record(desk: Desk, request: _Request, batch_id: bytes, total: int, accepted: int) -> BatchAccepted:
    now_ms, account = desk.clock.wall_ms(), request.caller.account
    return BatchAccepted(batch_id, account, request.order.name, total, accepted, total - accepted, now_ms)


def _check_some_accepted(tally: Tally, rulings: Sequence[Ruling]) -> None:
    if tally.accepted:
        return
    if tally.unconfirmed:
        fault = unavailable(NOT_CONFIRMED)
    else:
        head = FieldFault("", "no_valid_messages", f"all {tally.rejected} messages were rejected")
        fault = Refusal(head, *_first_faults(rulings))
    fault.counted = True
    raise fault


def _first_faults(rulings: Sequence[Ruling]) -> list[FieldFault]:
    return [
        FieldFault(f"messages[{index}].{fault.field}".rstrip("."), fault.code, fault.detail)
        for index, ruling in enumerate(rulings[:MAX_ERRORS])
        if isinstance(ruling, Refusal)
        for fault in ruling.faults[:1]
    ]
