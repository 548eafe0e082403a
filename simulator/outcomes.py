"""What becomes of a submit: its message id, its status, how long the answer takes, how the message ends.

Drawn from the account's own generator in the order of its submits, so that one seed makes one run.
"""

from __future__ import annotations

import random
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from simulator.distributions import sampler
from simulator.scenario import AccountScenario, Match, Receipts, Rule
from simulator.wire import Submit
from smpp.core.constants import SUBMIT_SM_RESP, Tag
from smpp.core.pdu import HEADER
from smpp.core.sm import encode_tlvs
from smpp.states import MessageState

_HUGE: Final = 1 << 64
_LONG: Final = "f" * 44

IdWriter = Callable[[int], bytes]
# Form → how a number is written in the response, and in the receipt.
ID_FORMS: Final[Mapping[str, tuple[IdWriter, IdWriter]]] = {
    "dec": (lambda n: b"%d" % n, lambda n: b"%d" % n),
    "hex": (lambda n: b"%x" % n, lambda n: b"%x" % n),
    "upper": (lambda n: b"%X" % n, lambda n: b"%X" % n),
    "hex-dec": (lambda n: b"%x" % n, lambda n: b"%d" % n),
    "dec-hex": (lambda n: b"%d" % n, lambda n: b"%x" % n),
    "padded": (lambda n: b"%020d" % n, lambda n: b"%020d" % n),
    "padded-stripped": (lambda n: b"%020d" % n, lambda n: b"%d" % n),
    "lower-upper": (lambda n: b"%x" % n, lambda n: b"%X" % n),
    "huge": (lambda n: b"%d" % (_HUGE + n), lambda n: b"%d" % (_HUGE + n)),
    "long": (lambda n: f"{_LONG}{n:020x}".encode(), lambda n: f"{_LONG}{n:020x}".encode()),
    "empty": (lambda _: b"", lambda n: b"%d" % n),
}


@dataclass(frozen=True, slots=True, eq=False)
class EndState:
    """How a message ends: the state, how the text spells it, the err field, and the TLVs that say the same.

    One object a state and scenario, told apart by identity: it is a key on the hot path.
    """

    name: str
    spelling: str
    err: str
    delivered: bool
    tlvs: bytes


def end_state(name: str, receipts: Receipts, err: str | None = None) -> EndState:
    """The state `name` as this SMSC tells it; a name that 3.4 does not have goes as UNKNOWN in message_state."""
    number = int(MessageState.__members__.get(name, MessageState.UNKNOWN))
    text = receipts.errors.get(name, "000") if err is None else err
    code = int(text) & 0xFFFF if text.strip().isdigit() else 0
    # network_error_code (§5.3.2.31): 3 is GSM.
    tlvs = ((Tag.MESSAGE_STATE, bytes((number,))), (Tag.NETWORK_ERROR_CODE, b"\x03" + code.to_bytes(2, "big")))
    return EndState(name, receipts.spelling.get(name, name), text, number == MessageState.DELIVRD, encode_tlvs(tlvs))


class Mix:
    """End states by weight."""

    def __init__(self, receipts: Receipts, rng: random.Random) -> None:
        self._states = [end_state(name, receipts) for name in receipts.states]
        self._bounds = list(accumulate(receipts.states.values()))
        self._draw = rng.random
        self.only = self._states[0] if len(self._states) == 1 else None

    def draw(self) -> EndState:
        """The next state. Not to be asked when there is `only` one."""
        at = bisect_right(self._bounds, self._draw() * self._bounds[-1])
        return self._states[min(at, len(self._states) - 1)]


@dataclass(slots=True)
class Verdict:
    """What is decided about one submit before it is accepted. `answer` may be resp, none or nack; `close` before or after
    the answer, for the reason `why`."""

    status: int = 0
    delay_s: float = 0.0
    answer: str = "resp"
    close: str = ""
    why: str = ""
    nack_zero: bool = False
    empty_id: bool = False
    state: EndState | None = None
    reply: str | None = None


def matcher(match: Match) -> Callable[[Submit], bool]:
    """A test of submits; the cheapest conditions first."""
    prefix, source = match.prefix.lstrip("+").encode("latin-1", "replace"), match.source.encode("latin-1", "replace")
    text = re.compile(match.text) if match.text else None

    def fits(submit: Submit) -> bool:
        return (
            submit.destination[2:].lstrip(b"+").startswith(prefix)
            and submit.source[2:].startswith(source)
            and (text is None or text.search(submit.text) is not None)
        )

    return fits


class _ReadyRule:
    """A rule with its pattern compiled and its state made."""

    def __init__(self, rule: Rule, receipts: Receipts, rng: random.Random) -> None:
        self.rule = rule
        self.fits = matcher(rule.match)
        self._latency = 0.0 if rule.latency is None else sampler(rule.latency, rng)
        self._state = None if rule.state is None else end_state(rule.state, receipts, rule.err)

    def apply(self, verdict: Verdict) -> None:
        verdict.status = self.rule.status
        verdict.answer = "none" if self.rule.silent else verdict.answer
        verdict.delay_s += self._latency if isinstance(self._latency, float) else self._latency()
        verdict.state = self._state
        verdict.reply = self.rule.reply


class Outcomes:
    """The scenario of one account, made ready for its submits."""

    def __init__(self, scenario: AccountScenario, rng: random.Random) -> None:
        self.id_in_response, self.id_in_receipt = ID_FORMS[scenario.message_id_form]
        self.latency = sampler(scenario.latency, rng)
        self._rng = rng
        self._rules = [_ReadyRule(rule, scenario.receipts, rng) for rule in scenario.rules]
        self._statuses = list(scenario.errors)
        self._bounds = list(accumulate(scenario.errors.values()))
        self._refusal_tail = {"none": b"", "empty_id": b"\0", "tlv": b"\0" + encode_tlvs(((0x001D, b"refused\0"),))}[
            scenario.refusal_body
        ]

    @property
    def plain(self) -> bool:
        """Whether every submit is accepted, so that nobody needs to ask."""
        return not self._rules and not self._statuses

    def judge(self, submit: Submit, verdict: Verdict) -> None:
        """The first rule that fits, else the error mix."""
        for ready in self._rules:
            if ready.fits(submit) and (ready.rule.share >= 1 or self._rng.random() < ready.rule.share):
                ready.apply(verdict)
                return
        if self._statuses:
            at = bisect_right(self._bounds, self._rng.random())
            verdict.status = self._statuses[at] if at < len(self._statuses) else 0

    def draw_latency(self) -> float:
        """Seconds until the answer."""
        return self.latency if isinstance(self.latency, float) else self.latency()

    def refusal(self, sequence: int, status: int) -> bytes:
        """submit_sm_resp with an error, with or without a body (the specification leaves it out, SMSCs differ)."""
        tail = self._refusal_tail
        return HEADER.pack(16 + len(tail), SUBMIT_SM_RESP, status, sequence) + tail
