"""What a carrier's command_status means: accepted, send again later (no outcome), or failed with a code.

The default table is SMPP 3.4 §5.1.3 as carriers use it; `[carriers.X.errors]` of carriers.toml extends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from policy.outcomes import OUTCOMES
from schemas.carriers import CarrierBook, ErrorRule
from smpp.core.constants import CommandStatus as S


class Meaning(IntEnum):
    """What to do about an answer."""

    ACCEPTED = 0
    THROTTLED = 1
    TEMPORARY = 2
    PERMANENT = 3


class Verdict(NamedTuple):
    """`code`: one of policy.outcomes, empty when accepted or throttled."""

    meaning: Meaning
    code: str


ACCEPTED: Final = Verdict(Meaning.ACCEPTED, "")
THROTTLED: Final = Verdict(Meaning.THROTTLED, "")

_PERMANENT: Final = {
    "invalid_destination": (
        S.ESME_RINVDSTADR,
        S.ESME_RINVDSTTON,
        S.ESME_RINVDSTNPI,
        S.ESME_RINVNUMDESTS,
        S.ESME_RINVDLNAME,
    ),
    "invalid_sender": (S.ESME_RINVSRCADR, S.ESME_RINVSRCTON, S.ESME_RINVSRCNPI),
    "invalid_message": (
        S.ESME_RINVMSGLEN,
        S.ESME_RINVCMDLEN,
        S.ESME_RINVESMCLASS,
        S.ESME_RINVSCHED,
        S.ESME_RINVEXPIRY,
        S.ESME_RINVDFTMSGID,
        S.ESME_RINVPRTFLG,
        S.ESME_RINVREGDLVFLG,
        S.ESME_RINVREPFLAG,
        S.ESME_RINVOPTPARSTREAM,
        S.ESME_ROPTPARNOTALLWD,
        S.ESME_RINVPARLEN,
        S.ESME_RMISSINGOPTPARAM,
        S.ESME_RINVOPTPARAMVAL,
    ),
    "blocked_by_carrier": (S.ESME_RX_R_APPN,),
    "carrier_refused": (S.ESME_RX_P_APPN, S.ESME_RDELIVERYFAILURE),
}
_TEMPORARY: Final = {
    "carrier_error": (S.ESME_RSYSERR, S.ESME_RSUBMITFAIL, S.ESME_RX_T_APPN, S.ESME_RUNKNOWNERR, S.ESME_RINVCMDID),
    "not_allowed": (S.ESME_RINVBNDSTS, S.ESME_RINVSERTYP, S.ESME_RINVSYSTYP),
}
DEFAULT: Final[dict[int, Verdict]] = {
    0: ACCEPTED,
    S.ESME_RTHROTTLED: THROTTLED,
    S.ESME_RMSGQFUL: THROTTLED,
    **{int(status): Verdict(Meaning.PERMANENT, code) for code, group in _PERMANENT.items() for status in group},
    **{int(status): Verdict(Meaning.TEMPORARY, code) for code, group in _TEMPORARY.items() for status in group},
}
# A vendor's own code says no more than "no": it is not tried again, since nothing says that it would help.
UNKNOWN: Final = Verdict(Meaning.PERMANENT, "carrier_refused")
_DEFAULT_CODE: Final = {Meaning.TEMPORARY: "carrier_error", Meaning.PERMANENT: "carrier_refused"}


def unknown_codes(book: CarrierBook) -> list[str]:
    """`carrier: status: code` of each rule whose code is not one of policy.outcomes: it would tell nobody anything."""
    return [
        f"carriers.{name}.errors: {status} has the code {rule.code!r}, which docs/reference/outcomes.md does not list"
        for name, carrier in book.carriers.items()
        for status, rule in carrier.errors.items()
        if rule.code and rule.code not in OUTCOMES
    ]


class Answers(dict[int, Verdict]):
    """The table of one carrier: look a command_status up."""

    def __init__(self, rules: Mapping[int, ErrorRule]) -> None:
        super().__init__(DEFAULT)
        for status, rule in rules.items():
            meaning = Meaning[rule.outcome.upper()]
            self[status] = Verdict(meaning, rule.code or _DEFAULT_CODE.get(meaning, ""))

    def __missing__(self, status: int) -> Verdict:
        return UNKNOWN
