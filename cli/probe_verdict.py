"""What a probe's steps mean, and whose move it is. Pure: statuses and faults in, a sentence out."""

from __future__ import annotations

import re
import tomllib
from typing import Final, Literal, NamedTuple

from policy.answers import Answers, Meaning
from policy.outcomes import OUTCOMES
from schemas.carriers import Carrier
from smpp.core.constants import CommandStatus, status_name

Fault = Literal["nobody", "carrier", "network", "configuration"]


class Verdict(NamedTuple):
    """`fault`: whose move it is; `what` says why and what to do."""

    fault: Fault
    what: str


WELL: Final = Verdict(
    "nobody", "the carrier answers as it should: look for the fault on our side (`doctor`, `carriers list`)"
)
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def password_variable(text: str, carrier: str) -> str:
    """How to name the password's place to a person: `${ALPHA_PASSWORD}`, or its key in the file."""
    given = str(tomllib.loads(text)["carriers"][carrier].get("password", ""))
    found = _VARIABLE.search(given)
    return found[0] if found else f"carriers.{carrier}.password"


def of_bind(status: int, carrier: Carrier, secret: str) -> Verdict:
    """Of a bind that was refused."""
    name = status_name(status)
    told: dict[int, Verdict] = {
        CommandStatus.ESME_RINVPASWD: Verdict(
            "configuration", f"the password or system_id is wrong: ask the carrier or check {secret}"
        ),
        CommandStatus.ESME_RINVSYSID: Verdict(
            "configuration",
            f"the carrier does not know the system_id {carrier.system_id!r}: ask it, or correct the file",
        ),
        CommandStatus.ESME_RINVSYSTYP: Verdict(
            "configuration", f"the carrier wants another system_type than {carrier.system_type!r}: ask which"
        ),
        CommandStatus.ESME_RALYBND: Verdict(
            "configuration",
            f"all binds of the account are taken: our {carrier.lanes} lanes may hold them (`carriers list`), or an old bind"
            " has not timed out at the carrier; stop a dispatcher to probe, or ask for one bind more",
        ),
        CommandStatus.ESME_RBINDFAIL: Verdict(
            "carrier",
            "the carrier refuses binds without saying why: often a bind limit, an IP address that is not allowed, or a bind"
            " mode that the account lacks (--bind transmitter); ask it",
        ),
        CommandStatus.ESME_RINVBNDSTS: Verdict(
            "carrier", "the account may not bind in this mode: try another --bind, or ask"
        ),
        CommandStatus.ESME_RINVCMDID: Verdict(
            "carrier", "the SMSC does not know this kind of bind: try another --bind"
        ),
        CommandStatus.ESME_RTHROTTLED: Verdict(
            "carrier", "the carrier throttles binds: wait some minutes, try less often"
        ),
        CommandStatus.ESME_RSYSERR: Verdict(
            "carrier", "the SMSC has a fault of its own: tell the carrier the time and this"
        ),
    }
    verdict = told.get(status) or Verdict("carrier", "a refusal that SMPP 3.4 gives no reason for: ask the carrier")
    return verdict._replace(what=f"{name}: {verdict.what}")


def of_submit(status: int, carrier: Carrier) -> Verdict:
    """Of a submit_sm that was refused, by the carrier's own error table."""
    meaning, code = Answers(carrier.error_rules)[status]
    name = status_name(status)
    if meaning is Meaning.THROTTLED:
        return Verdict("carrier", f"{name}: the carrier throttles; our lanes would wait and try again")
    outcome = OUTCOMES.get(code)
    sentence = outcome.detail if outcome else code
    mender = outcome.mender if outcome else "carrier"
    whose: Fault = "configuration" if mender in ("sender", "operator") else "carrier"
    return Verdict(whose, f"{name}: {sentence} (outcome code {code}, to be mended by: {mender})")


def of_silence(step: str, timeout_s: float) -> Verdict:
    """Of a step that nobody answered."""
    return Verdict(
        "carrier", f"no answer to {step} within {timeout_s:g} s: the SMSC hangs, or something between us drops it"
    )


def of_loss(step: str, fault: str) -> Verdict:
    """Of a connection that ended in a step."""
    if step.startswith("bind"):
        what = f"{fault} instead of answering the bind: our IP address may not be allowed there; ask the carrier"
        return Verdict("carrier", what)
    return Verdict("carrier", f"{fault} during {step}: ask the carrier what it saw, at this time")
