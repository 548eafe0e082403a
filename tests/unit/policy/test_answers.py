"""What a command_status means, by default and by carrier."""

from __future__ import annotations

import pytest

from policy.answers import ACCEPTED, DEFAULT, THROTTLED, UNKNOWN, Answers, Meaning, Verdict
from policy.outcomes import OUTCOMES
from schemas.carriers import ErrorRule
from smpp.core.constants import CommandStatus

NO_RULES = Answers({})


def test_throttling_and_a_full_queue_are_no_outcome() -> None:
    assert NO_RULES[CommandStatus.ESME_RTHROTTLED] == NO_RULES[CommandStatus.ESME_RMSGQFUL] == THROTTLED
    assert NO_RULES[0] == ACCEPTED


@pytest.mark.parametrize("status", CommandStatus)
def test_every_status_of_the_standard_has_a_meaning_and_a_code_that_is_told(status: CommandStatus) -> None:
    meaning, code = NO_RULES[status]
    if meaning in (Meaning.TEMPORARY, Meaning.PERMANENT):
        assert OUTCOMES[code].retryable == (meaning is Meaning.TEMPORARY), "the code says otherwise than the meaning"
    else:
        assert code == ""


def test_statuses_that_a_submit_can_have_are_in_the_table() -> None:
    """The rest are answers to binds, queries and the like."""
    others = {
        "ESME_RALYBND", "ESME_RBINDFAIL", "ESME_RINVPASWD", "ESME_RINVSYSID", "ESME_RINVMSGID", "ESME_RCANCELFAIL",
        "ESME_RREPLACEFAIL", "ESME_RQUERYFAIL", "ESME_RINVDESTFLAG", "ESME_RINVSUBREP", "ESME_RCNTSUBDL", "ESME_RINVNUMMSGS",
    }  # fmt: skip
    assert {status.name for status in CommandStatus} - {CommandStatus(status).name for status in DEFAULT} == others


@pytest.mark.parametrize("status", [0x400, 0x4FF, 0x401, 0xFFFFFFFF, 0x0C])
def test_what_nobody_told_us_is_final(status: int) -> None:
    assert NO_RULES[status] == UNKNOWN == Verdict(Meaning.PERMANENT, "carrier_refused")
    assert status not in NO_RULES, "asking must not fill the table"


def test_a_carrier_s_rules_come_first() -> None:
    answers = Answers(
        {
            0x401: ErrorRule(outcome="permanent", code="blocked_by_carrier"),
            0x402: ErrorRule(outcome="temporary"),
            0x403: ErrorRule(outcome="throttled"),
            0x404: ErrorRule(outcome="accepted"),
            0x405: ErrorRule(outcome="permanent"),
            CommandStatus.ESME_RTHROTTLED: ErrorRule(outcome="temporary", code="carrier_busy"),
        }
    )
    assert answers[0x401] == (Meaning.PERMANENT, "blocked_by_carrier")
    assert answers[0x402] == (Meaning.TEMPORARY, "carrier_error")
    assert answers[0x403] == THROTTLED
    assert answers[0x404] == ACCEPTED
    assert answers[0x405] == (Meaning.PERMANENT, "carrier_refused")
    assert answers[CommandStatus.ESME_RTHROTTLED] == (Meaning.TEMPORARY, "carrier_busy")
    assert NO_RULES[CommandStatus.ESME_RTHROTTLED] == THROTTLED, "one carrier's rules are not another's"


def test_every_outcome_code_is_told_in_full() -> None:
    for code, row in OUTCOMES.items():
        assert code == row.code
        assert code.isidentifier()
        assert row.title
        assert not row.title.endswith(".")
        assert row.detail.endswith(".")
        assert not (row.permanent and row.retryable), f"{code}: the same message would fail again"
