"""Receipts: made when a message is accepted, due when its end is simulated.

The text is a template whose fixed parts are kept per (state, submit date, done date), so that one receipt costs one
formatting of bytes. The body is made at once, with the date at which it will be due: a receipt that waits is one buffer.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from zoneinfo import ZoneInfo

from simulator.distributions import sampler
from simulator.outcomes import EndState, Mix, Outcomes, end_state
from simulator.scenario import DATES, Receipts
from simulator.wire import Delivery, Label, Submit
from smpp.core.constants import DATA_SM, DELIVER_SM, Tag
from smpp.core.sm import encode_tlvs

if TYPE_CHECKING:
    from simulator.account import Account, Counters
    from simulator.connection import Connection

_MOST_KEPT: Final = 4096


class Frame(NamedTuple):
    """What receipts of one state and one minute share. `text` has a %b for each id and excerpt, in `order` (i and t);
    `whole` is the common case in one piece, all of the body: see `ReceiptMaker.make`; `fixed` is its text's own length."""

    text: bytes
    order: str
    whole: bytes
    fixed: int

    def render(self, identity: bytes, excerpt: bytes) -> bytes:
        return self.text % tuple(identity if field == "i" else excerpt for field in self.order)


class ReceiptText:
    """The text of receipts in one SMSC's form. Times are Unix seconds."""

    def __init__(self, options: Receipts) -> None:
        self._options = options
        self._fields = list(string.Formatter().parse(options.template))
        self._date = DATES[options.dates]
        self._unit = 1 if options.dates.endswith("ss") else 60
        self._zone = ZoneInfo(options.timezone)
        self._kept: dict[tuple[EndState, float, float], Frame] = {}

    def frame(self, state: EndState, submitted: float, done: float) -> Frame:
        """The frame for a state and two dates, made once for each unit of the date's form."""
        unit = self._unit
        key = (state, submitted // unit, done // unit)
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            found = self._kept[key] = self._made(state, submitted, done)
        return found

    def _made(self, state: EndState, submitted: float, done: float) -> Frame:
        known = {
            "sub": "001",
            "dlvrd": "001" if state.delivered else "000",
            "submit": self._written(submitted),
            "done": self._written(done),
            "stat": state.spelling,
            "err": state.err,
        }
        pattern, order, options = "", "", self._options
        for literal, field, _, _ in self._fields if options.told_by != "tlvs" else ():
            pattern += _escaped(literal)
            if field in ("id", "text"):
                pattern += "%b"
                order += field[0]
            elif field is not None:
                pattern += _escaped(known[field])
        text = pattern.encode("latin-1", "replace")
        head = b"\0%%b%%b%b%%c" % bytes((options.esm_class, 0, 0, 0, 0, 0, 0, 0, 0)).replace(b"%", b"%%")
        whole = head + text + b"\0\x1e\0%c%b\0" + state.tlvs.replace(b"%", b"%%")
        fixed = len(text % ((b"",) * len(order)))
        return Frame(text, order, whole, fixed)

    def _written(self, unix_s: float) -> str:
        return datetime.fromtimestamp(unix_s, self._zone).strftime(self._date)


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


class ReceiptMaker:
    """Makes an account's receipts and hands them on: those due `later` with their time, `at_once` behind the answers,
    `early` before them. Times are monotonic seconds, `wall_s` Unix seconds."""

    def __init__(
        self,
        options: Receipts,
        outcomes: Outcomes,
        rng: random.Random,
        counters: Counters,
        labelled: bool,
        later: Callable[[float, Delivery], None],
        at_once: Callable[[Delivery], None],
        early: Callable[[Delivery], None],
    ) -> None:
        self._options = options
        self._id_in_receipt = outcomes.id_in_receipt
        self._rng = rng
        self._counters = counters
        self._labelled = labelled
        self._later, self._at_once, self._early = later, at_once, early
        self._mix = Mix(options, rng)
        self._delay = sampler(options.delay, rng)
        self._frame = ReceiptText(options).frame
        self._enroute = end_state("ENROUTE", options)
        self._command = DATA_SM if options.pdu == "data_sm" else DELIVER_SM
        self._every_part = options.segments == "each"
        self._quirky = any((options.duplicate, options.loss, options.early, options.reorder, options.intermediate))
        self._odd_body = options.pdu == "data_sm" or options.in_payload or options.ucs2 or options.told_by != "both"

    def schedule(
        self, origin: Connection, submit: Submit, number: int, now: float, wall_s: float, state: EndState | None = None
    ) -> None:
        """The receipt of one accepted submit, if it asks for one (§5.2.17)."""
        end = state or self._mix.only or self._mix.draw()
        wanted = submit.registered & 3
        delay = self._delay if isinstance(self._delay, float) else self._delay()
        if (wanted > 1 and end.delivered == (wanted == 2)) or not (self._every_part or self._is_told(submit)):
            return
        if wanted:
            delivery = self.make(origin, submit, number, end, wall_s, wall_s + delay)
            if self._quirky:
                self._with_quirks(delivery, submit, number, now, wall_s, delay)
            else:
                self._send(delivery, now, delay)
        elif submit.registered & 0x10:
            self._send(self.make(origin, submit, number, self._enroute, wall_s, wall_s), now, 0)

    def make(
        self,
        origin: Connection | Account,
        submit: Submit,
        number: int,
        state: EndState,
        submitted: float,
        done: float,
    ) -> Delivery:
        """One receipt: addresses swapped, dates in Unix seconds."""
        identity = self._id_in_receipt(number)
        excerpt = b"" if submit.data_coding or submit.esm_class & 0x40 else submit.short_message[:20]
        frame = self._frame(state, submitted, done)
        size = frame.fixed + len(identity) + len(excerpt)
        if frame.order == "it" and size <= 254 and not self._odd_body:
            body = frame.whole % (
                submit.destination, submit.source, size, identity, excerpt, len(identity) + 1, identity,
            )  # fmt: skip
        else:
            body = self._wrapped(submit, frame.render(identity, excerpt), identity, state)
        label = Label(identity.decode(), submit.number, state.name) if self._labelled else None
        return Delivery(body, origin, label, self._command)

    def _wrapped(self, submit: Submit, text: bytes, identity: bytes, state: EndState) -> bytes:
        """All other forms: told by the text or by TLVs alone, data_sm, message_payload, UCS-2, another order."""
        options, coding, tlvs = self._options, 0, b""
        if options.told_by != "text":
            tlvs = encode_tlvs(((Tag.RECEIPTED_MESSAGE_ID, identity + b"\0"),)) + state.tlvs
        if options.ucs2:
            text, coding = text.decode("latin-1").encode("utf-16-be"), 8
        addresses = submit.destination + submit.source
        if options.pdu == "data_sm":
            payload = encode_tlvs(((Tag.MESSAGE_PAYLOAD, text),))
            return b"\0%b%c\0%c%b%b" % (addresses, options.esm_class, coding, payload, tlvs)
        head = b"\0%b%c\0\0\0\0\0\0%c\0" % (addresses, options.esm_class, coding)
        if options.in_payload or len(text) > 254:
            return head + b"\0" + encode_tlvs(((Tag.MESSAGE_PAYLOAD, text),)) + tlvs
        return head + bytes((len(text),)) + text + tlvs

    def _is_told(self, submit: Submit) -> bool:
        """Whether this part of a long message is the one that gets a receipt."""
        number, total = submit.part()
        return number == (1 if self._options.segments == "first" else total)

    def _with_quirks(
        self, delivery: Delivery, submit: Submit, number: int, now: float, wall_s: float, delay: float
    ) -> None:
        options, draw = self._options, self._rng.random
        # Every draw is made for every receipt, so that one option does not shift the luck of another.
        loss, copies, early, reorder, enroute = (draw() for _ in range(5))
        if enroute < options.intermediate:
            first = self.make(delivery.origin, submit, number, self._enroute, wall_s, wall_s)
            self._send(first, now, delay / 2)
        if loss < options.loss:
            self._counters.lost += 1
            return
        if early < options.early:
            self._counters.made += 1
            self._early(delivery)
            return
        if reorder < options.reorder:
            delay += options.reorder_s * reorder / options.reorder
        for _ in range(2 if copies < options.duplicate else 1):
            self._send(delivery, now, delay)

    def _send(self, delivery: Delivery, now: float, delay: float) -> None:
        self._counters.made += 1
        if delay:
            self._later(now + delay, delivery)
        else:
            self._at_once(delivery)
