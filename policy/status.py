"""How a status follows from what is known: the tables of receipts, and the standing of one submit and of a message.

The status is a function of the *set* of things known of a message, not of the order in which they were learnt, so that a
rebuild gives the same rows as the live projection did. Order counts only among the receipts of one segment, which come
through one partition: there the first final state stays.

1. A submit is delivered when its segments are: all that can be traced (`receipts = "each"`), or the one that the carrier
   reports on (`first`, `last`). It has failed when the carrier refused it, or as soon as one segment that counts failed
   finally: a long message without a segment is not delivered. Otherwise it is open.
2. A message is delivered when any of its submits is. Else a final stop of its newest turn (expired, canceled, blocked,
   dropped) counts, else any open submit makes it `sent`, else a newer turn without a submit makes it what that turn is
   (`queued`, `scheduled`, `held`), else it waits for its next attempt (`queued`), else it has failed as its newest submit
   did. What was decided about a message in doubt (sent, drop) counts where no submit was answered.

So a final status stays, with these exceptions, each a fact that outranks it: a receipt after `unknown`; a delivery of another
copy after a failure; a new turn or submit after a failure, which only a decision to try again makes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

from schemas.status import Status
from smpp.states import FINAL_STATES, MessageState

ReceiptMode = Literal["each", "first", "last"]

STATUS_OF_RECEIPT: Final[Mapping[int, Status]] = {
    MessageState.SCHEDULED: Status.SENT,
    MessageState.ENROUTE: Status.SENT,
    MessageState.DELIVRD: Status.DELIVERED,
    MessageState.EXPIRED: Status.EXPIRED,
    MessageState.DELETED: Status.UNDELIVERED,
    MessageState.UNDELIV: Status.UNDELIVERED,
    MessageState.ACCEPTD: Status.SENT,
    MessageState.UNKNOWN: Status.SENT,
    MessageState.REJECTD: Status.UNDELIVERED,
    MessageState.SKIPPED: Status.UNDELIVERED,
}
"""What the receipt of a single segment makes of its message."""

PROGRESS_OF_RECEIPT: Final[Mapping[int, int]] = {
    MessageState.UNKNOWN: 0,
    MessageState.SCHEDULED: 1,
    MessageState.ENROUTE: 2,
    MessageState.ACCEPTD: 3,
    **dict.fromkeys(FINAL_STATES, 9),
}
"""A state changes only to one that is further on: a late ENROUTE changes nothing."""

_CODE_OF_STATE: Final[Mapping[int, str]] = {
    MessageState.EXPIRED: "validity_expired",
    MessageState.DELETED: "deleted",
    MessageState.UNDELIV: "undelivered",
    MessageState.REJECTD: "rejected",
    MessageState.SKIPPED: "undelivered",
}
# MAP errors (3GPP 29.002, 17.6.6), as network_error_code of type 3 has them and as most SMSCs write `err`.
_CODE_OF_MAP_ERROR: Final[Mapping[int, str]] = {
    1: "invalid_destination",  # unknownSubscriber
    5: "absent_subscriber",  # unidentifiedSubscriber: the visited network does not know the handset now
    6: "absent_subscriber",  # absentSubscriberSM
    9: "invalid_destination",  # illegalSubscriber
    13: "blocked_by_carrier",  # callBarred
    27: "absent_subscriber",  # absentSubscriber
}
_MAP_NETWORK: Final = "3"


def code_of_receipt(state: int, error: str) -> str:
    """The outcome code (policy.outcomes) of a final receipt that is no delivery; `error` as the lane read it.

    An error outranks the state only where the state says no more than "not delivered" or "gave up".
    """
    code = _CODE_OF_STATE.get(state, "undelivered")
    if code not in ("undelivered", "validity_expired"):
        return code
    network, colon, number = error.rpartition(":")
    if (colon and network != _MAP_NETWORK) or not (number.isascii() and number.isdigit()) or len(number) > 9:
        return code
    told = _CODE_OF_MAP_ERROR.get(int(number), code)
    return told if code == "undelivered" or told == "absent_subscriber" else code


class SegmentState(NamedTuple):
    """The last word of the receipts of one segment."""

    state: int
    error: str
    at_ms: int


class Standing(NamedTuple):
    """What a row shows of its status. `carrier_status` is a command_status, `carrier_error` a receipt's error."""

    status: Status
    code: str | None = None
    carrier_status: int | None = None
    carrier_error: str | None = None

    @property
    def is_final(self) -> bool:
        return self.status.is_final


OPEN: Final = Standing(Status.SENT)
DELIVERED: Final = Standing(Status.DELIVERED)
WAITS: Final = Standing(Status.QUEUED)
"""Refused, and to be tried again later."""
TIMED_OUT: Final = Standing(Status.UNKNOWN, "no_receipt")


def standing_of_segments(
    smsc_ids: Sequence[str], states: Mapping[int, SegmentState], mode: ReceiptMode = "each"
) -> Standing:
    """Of one accepted submit: OPEN, DELIVERED, or a failure. `states` by segment from 1; those without a receipt lack.

    A segment that the carrier gave no id is not traceable: no receipt can be waited for.
    """
    if not states:
        return OPEN
    count = len(smsc_ids)
    if count == 1:
        # Nearly every message.
        only = states[1]
        return _FINAL_STANDING.get(only.state, OPEN) if not only.error else _standing_of_one(only)
    counted: Sequence[int] = range(1, count + 1)
    if mode != "each":
        counted = (1,) if mode == "first" else (count,)
    worst: SegmentState | None = None
    missing = False
    delivered = False
    for part in counted:
        known = states.get(part)
        if known is None or known.state not in FINAL_STATES:
            missing = missing or bool(smsc_ids[part - 1])
        elif known.state == MessageState.DELIVRD:
            delivered = True
        elif worst is None or known.at_ms < worst.at_ms:
            worst = known
    if worst is not None:
        return _standing_of_one(worst)
    return DELIVERED if delivered and not missing else OPEN


def _standing_of_one(known: SegmentState) -> Standing:
    """Of a message whose fate one segment decides."""
    if known.state not in FINAL_STATES:
        return OPEN
    if known.state == MessageState.DELIVRD:
        return DELIVERED
    status = STATUS_OF_RECEIPT[known.state]
    return Standing(status, code_of_receipt(known.state, known.error), None, known.error or None)


_FINAL_STANDING: Final = {
    int(state): _standing_of_one(SegmentState(int(state), "", 0)) for state in MessageState if state.is_final
}
