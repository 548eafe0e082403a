"""Delivery receipts: what the carrier says of a message, read from the text of SMPP 3.4 appendix B and from TLVs.

The text was never standard ("vendor specific", says the appendix), so after one pattern for the usual form comes a lenient
reading: fields renamed, reordered, absent, empty. TLVs outrank it. No bytes raise. A state whose spelling is not
known stays unknown (`complete` is false): better a person reads the receipt than we call a message delivered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Final, NamedTuple

from smpp.states import MessageState

RECEIPTED_MESSAGE_ID: Final = 0x001E  # SMPP 3.4 §5.3.2.12
NETWORK_ERROR_CODE: Final = 0x0423  # §5.3.2.31
MESSAGE_PAYLOAD: Final = 0x0424  # §5.3.2.32
MESSAGE_STATE: Final = 0x0427  # §5.3.2.35

_LONGEST_ID: Final = 255
_LONGEST_ERROR: Final = 64
_LONGEST_DATE: Final = 32
_LOOKED_AT: Final = 2000
"""Characters of a text that are read: a payload may hold 64 KiB, a receipt a few hundred octets."""


class ParsedReceipt(NamedTuple):
    """What could be read."""

    message_id: str
    """The SMSC's id as sent, without blanks around; "" when there is none."""
    state: MessageState | None
    error: str
    """err as sent, or network_error_code as `<network type>:<code>`; "" for none, all zeros included."""
    submit_date: str
    done_date: str
    """As sent: see done_ms."""
    complete: bool
    """Id and state are known."""


_SPELLINGS: Final = {
    MessageState.DELIVRD: "DELIVRD DELIVERED DELIVERD DELIVRED DELIVER DELIVERE DELVRD DELIVD DLVRD SUCCESS"
    " DELIVEREDTOHANDSET DELIVEREDTOTERMINAL DELIVERYSUCCESS",
    MessageState.UNDELIV: "UNDELIV UNDELIVRD UNDELIVERD UNDELIVERED UNDELIVERABLE UNDELIVER UNDELIVE UNDELIVD UNDELIVED"
    " UNDELVRD UNDLVRD UNDEL NOTDELIVERED NOTDELIVRD NOTDLVRD NONDELIVERED FAILED FAIL FAILURE FAILD ERROR"
    " DELIVERYFAILED DELIVERYFAILURE DELIVERYIMPOSSIBLE",
    MessageState.EXPIRED: "EXPIRED EXPIRD EXPIRE EXPRD TIMEOUT TIMEDOUT",
    MessageState.DELETED: "DELETED DELETD DELETE DELTED CANCELED CANCELLED CANCELD CANCEL",
    MessageState.REJECTD: "REJECTD REJECTED REJECTE REJECT REJCTD RJCTD BLOCKED BLACKLISTED",
    MessageState.ACCEPTD: "ACCEPTD ACCEPTED ACCEPTE ACCEPT ACCPTD",
    MessageState.ENROUTE: "ENROUTE ENROUT INROUTE ROUTED BUFFERED BUFFRED BUFFERD BUFFERE BUFFER QUEUED PENDING SENT"
    " SUBMITD SUBMITTED RETRY RETRYING INPROGRESS PROCESSING FORWARDED DELIVEREDTONETWORK MESSAGEWAITING",
    MessageState.SCHEDULED: "SCHEDULED SCHEDULD SCHEDUL",
    MessageState.UNKNOWN: "UNKNOWN UNKNOWNN UNKNOW UNKNWN UNKN DELIVERYUNCERTAIN",
    MessageState.SKIPPED: "SKIPPED SKIPPD SKIPED",
}
"""stat as vendors spell it: letters only, in capitals; some cut theirs to seven."""
_STATES: Final = {spelling: state for state, spellings in _SPELLINGS.items() for spelling in spellings.split()}
_NUMBERS: Final = {state.value: state for state in MessageState}

_STANDARD: Final = re.compile(
    r"id:([!-~]{1,64}) sub:\d{0,3} dlvrd:\d{0,3} submit date:(\d{10,14}) done date:(\d{10,14})"
    r" stat:([A-Z]{4,9}) err:([0-9A-Za-z]{1,8})(?: [Tt]ext:|\s*\Z)"
)
_KEY: Final = re.compile(
    # A field starts the text or follows a separator; control characters are the end of a user data header.
    r"(?<![^\s,;|&/\x00-\x1f])(?:"
    r"(?P<id>(?:(?:msg|message|smsc?)[\s_-]?)?id)"
    r"|(?P<submit_date>sub(?:mit)?[\s_-]{0,3}date)"
    r"|(?P<done_date>done[\s_-]{0,3}date)"
    r"|(?P<count>sub|dlvrd|dlvd)"
    r"|(?P<stat>(?:message[\s_-]?)?stat(?:us|e)?)"
    r"|(?P<err>err(?:or)?(?:[\s_-]?code)?)"
    r"|(?P<text>te?xt)"
    r")\s{0,3}[:=]",
    re.IGNORECASE,
)
_EDGES: Final = " \t\r\n\f\v,;|&\"'"
_GSM_IN_IDS: Final = str.maketrans({"\x11": "_", "\x02": "$"})
"""An SMSC that speaks the GSM alphabet in receipts and ASCII in responses changes these two in its ids."""


def _as_text(short_message: bytes | str) -> str:
    return short_message if isinstance(short_message, str) else short_message.decode("latin-1")


def _fields(text: str) -> dict[str, str]:
    """Field values by group name of `_KEY`, in any order and case; a field with an empty value counts as there.

    Of a field that is there twice the first counts; but what stands behind `text:` may be the message itself, so there
    the last one counts, and only if there was none in front.
    """
    # UCS-2 without its NULs is the same ASCII, with a header or an odd octet in front or not.
    text = text[:_LOOKED_AT].replace("\0", "")
    marks = list(_KEY.finditer(text))
    if not marks:
        return {}
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    front: dict[str, str] = {}
    behind: dict[str, str] = {}
    in_front = True
    for mark, end in zip(marks, ends, strict=True):
        name = mark.lastgroup or ""
        value = text[mark.end() : end].strip(_EDGES)
        if name == "text":
            in_front = False
        elif not in_front:
            behind[name] = value
        elif not front.get(name):
            front[name] = value
    return {**behind, **{name: value for name, value in front.items() if value or name not in behind}}


def _first_word(value: str) -> str:
    words = value.split(None, 1)
    return words[0].strip(_EDGES) if words else ""


def _letters(text: str) -> str:
    return "".join(filter(str.isalpha, text.upper()))


def _state_of(stat: str) -> MessageState | None:
    """The state that all of `stat` spells, or its first word if that is the appendix's own ("DELIVRD Hello"): a word
    of a sentence is no state ("Delivered to SMSC")."""
    state = _STATES.get(_letters(stat))
    # SCHEDULED is 0: `or` would take it for none.
    return MessageState.__members__.get(_letters(_first_word(stat))) if state is None else state


def _error_of(err: str) -> str:
    """A code is one word, a vendor's sentence stays whole; zeros of any length or base mean no error."""
    error = (_first_word(err) if err[:1].isdigit() else err)[:_LONGEST_ERROR]
    return error if error.strip("0x") else ""


def _id_of(tlv: bytes) -> str:
    text = tlv.split(b"\0", 1)[0].decode("latin-1").strip()
    return text[:_LONGEST_ID] if text.isprintable() else ""


def _state_number(tlv: bytes, told: MessageState | None) -> MessageState | None:
    """message_state; 0 is no state of SMPP 3.4 and more often a field left unset, so a text that tells one wins."""
    if not tlv or len(tlv) > 4:
        return told
    state = _NUMBERS.get(int.from_bytes(tlv, "big"))
    return told if state is None or (state == MessageState.SCHEDULED and told is not None) else state


def _network_error(tlv: bytes, told: str) -> str:
    """`<network type>:<code>`; a code of 0 says nothing, and some vendors send digits instead of the three octets."""
    if len(tlv) == 3 and not tlv.isdigit():
        code = tlv[1] << 8 | tlv[2]
        return f"{tlv[0]}:{code}" if code else told
    text = tlv.split(b"\0", 1)[0].decode("latin-1").strip()
    return _error_of(text) or told if text.isascii() and text.isprintable() else told


def parse(short_message: bytes | str, tlvs: Mapping[int, bytes]) -> ParsedReceipt | None:
    """The receipt in a deliver_sm or data_sm, None when neither text nor TLVs tell an id or a state. Never raises.

    Give `short_message` as it came, a user data header and all: carriers set that flag on receipts that have none. An
    empty one is looked for in message_payload. Whether it is a receipt esm_class says, or else `looks_like_receipt`.
    """
    text = _as_text(short_message or tlvs.get(MESSAGE_PAYLOAD, b""))
    standard = _STANDARD.match(text)
    if standard is not None:
        message_id, submit_date, done_date, stat, error = standard.groups()
        state = _STATES.get(stat)
        error = error if error.strip("0") else ""
    else:
        fields = _fields(text)
        message_id = _first_word(fields.get("id", "")).translate(_GSM_IN_IDS)[:_LONGEST_ID]
        submit_date = fields.get("submit_date", "")[:_LONGEST_DATE]
        done_date = fields.get("done_date", "")[:_LONGEST_DATE]
        state = _state_of(fields.get("stat", ""))
        error = _error_of(fields.get("err", ""))
    if tlvs:
        told = tlvs.get(RECEIPTED_MESSAGE_ID)
        # Mostly they say the same.
        if told is not None and told != message_id.encode("latin-1", "replace") + b"\0":
            message_id = _id_of(told) or message_id
        told = tlvs.get(MESSAGE_STATE)
        if told is not None:
            state = _state_number(told, state)
        told = tlvs.get(NETWORK_ERROR_CODE)
        if told is not None:
            error = _network_error(told, error)
    if not message_id and state is None:
        return None
    return ParsedReceipt(message_id, state, error, submit_date, done_date, message_id != "" and state is not None)


def looks_like_receipt(short_message: bytes | str) -> bool:
    """The text has an id, a stat and another field of a receipt: for carriers that leave esm_class at 0.

    A subscriber can write such a text too, so believe esm_class where the carrier sets it.
    """
    text = _as_text(short_message)[:_LOOKED_AT]
    if _STANDARD.match(text):
        return True
    fields = _fields(text) if "stat" in text.replace("\0", "").lower() else {}
    return "id" in fields and "stat" in fields and len(fields) > 2


_MINUTES: Final = ("%y%m%d%H%M", "%y%m%d%H%M%S", "%Y%m%d%H%M", "%Y%m%d%H%M%S")
_SEPARATORS: Final = str.maketrans("", "", " -/:.T")


@lru_cache(maxsize=8192)
def _millis(date: str, zone: tzinfo) -> int:
    digits = date.translate(_SEPARATORS)
    if not (digits.isascii() and digits.isdigit()) or len(digits) not in (10, 12, 14):
        return 0
    # Twelve digits are yyMMddHHmmss or yyyyMMddHHmm. After 2012 "20yy" can't be a year and a month of two digits each.
    if len(digits) == 10 or (len(digits) == 12 and not (digits[:2] == "20" and digits[2:4] > "12")):
        digits = "20" + digits
    month, day, hour, minute = (int(digits[at : at + 2]) for at in (4, 6, 8, 10))
    try:
        moment = datetime(int(digits[:4]), month, day, hour, minute, int(digits[12:] or 0), tzinfo=zone)
        return max(0, int(moment.timestamp()) * 1000)
    except (ValueError, OverflowError):
        return 0


def done_ms(date: str, zone: tzinfo) -> int:
    """Unix milliseconds of a receipt's date in the carrier's time zone; 0 when it is no date.

    Takes yyMMddHHmm, yyMMddHHmmss, yyyyMMddHHmm and yyyyMMddHHmmss, with or without separators. An hour that a clock
    change repeats means its first time. Remembers the last 8,192 dates: receipts share their minutes.
    """
    return _millis(date, zone) if 10 <= len(date) <= _LONGEST_DATE else 0


def date_text(unix_ms: int, zone: tzinfo = UTC) -> str:
    """yyMMddHHmm, as appendix B has it."""
    return datetime.fromtimestamp(unix_ms // 1000, zone).strftime("%y%m%d%H%M")


def render(
    message_id: str, state: MessageState, submit_date: str, done_date: str, error: str = "000", text: str = ""
) -> bytes:
    """A receipt in the usual form (appendix B), with the first 20 characters of `text`; for the simulator."""
    delivered = "001" if state == MessageState.DELIVRD else "000"
    return (
        f"id:{message_id} sub:001 dlvrd:{delivered} submit date:{submit_date} done date:{done_date}"
        f" stat:{state.name} err:{error} text:{text[:20]}"
    ).encode("latin-1", "replace")
