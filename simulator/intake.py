"""Submits in, answers out: counted, limited, judged, accepted, journaled. The hot path of the simulator."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final

from simulator.account import Account
from simulator.identities import Identities
from simulator.journal import NOT_ANSWERED
from simulator.outcomes import EndState, Outcomes, Verdict
from simulator.post import Post
from simulator.receipts import ReceiptMaker
from simulator.wheel import Wheel
from simulator.wire import Submit
from smpp.core.constants import SUBMIT_SM_RESP, Command, CommandStatus
from smpp.core.pdu import HEADER, header_only

if TYPE_CHECKING:
    from simulator.connection import Connection
    from simulator.records import Records

_PACK: Final = HEADER.pack
_THROTTLED: Final = int(CommandStatus.ESME_RTHROTTLED)


def _acceptance(sequence: int, identity: bytes) -> bytes:
    return _PACK(17 + len(identity), SUBMIT_SM_RESP, 0, sequence) + identity + b"\0"


class Intake:
    """What one account's submits go through. Made anew when the scenario changes."""

    def __init__(
        self,
        account: Account,
        outcomes: Outcomes,
        receipts: ReceiptMaker,
        post: Post,
        later: Wheel[tuple[Connection, bytes]],
        ids: count[int],
        identities: Identities,
        records: Records,
    ) -> None:
        self._account = account
        self._outcomes = outcomes
        self.receipts = receipts
        self._post = post
        self._later = later
        self._ids = ids
        self._identities = identities
        self._records = records
        scenario = account.scenario
        self._latency = outcomes.latency
        self._limited = bool(scenario.window or scenario.queue_limit or scenario.session_messages)

    def take(self, connection: Connection, submits: list[tuple[int, Submit]], now: float) -> None:
        """All submits of one read, in order; `now` is monotonic seconds."""
        account = self._account
        wall_s = self._records.clock.wall_ms() / 1000
        answers: list[bytes] = []
        room = before = account.limiter.room(now)
        asking = self._limited or not self._outcomes.plain or bool(account.faults) or not connection.submits_allowed
        if not asking:
            account.counters.submits += len(submits)
            connection.submits += len(submits)
        record = self._records.submit if self._records.keeping else None
        for sequence, submit in submits:
            cost = 1 if submit.short_message else submit.segments
            if asking:
                account.counters.submits += 1
                connection.submits += 1
                verdict = self._judge(connection, submit, len(answers), cost <= room)
                room -= 0 if verdict.status else cost
                if not self._carry_out(connection, sequence, submit, verdict, answers, now, wall_s):
                    break
                continue
            if cost > room:
                status, identity = _THROTTLED, b""
                account.counters.statuses[status] += 1
                answers.append(self._outcomes.refusal(sequence, status))
            else:
                room -= cost
                status, identity = 0, self._accept(connection, submit, now, wall_s, None)
                answer = _acceptance(sequence, identity)
                if self._latency:
                    self._answer_later(connection, answer, now + self._outcomes.draw_latency())
                else:
                    answers.append(answer)
            if record:
                record(connection, sequence, submit, status, identity, wall_s)
        if room != before:
            account.limiter.take(now, before - room)
        self._post.dispatch_early()
        if answers:
            connection.write(b"".join(answers))

    def _accept(
        self, connection: Connection, submit: Submit, now: float, wall_s: float, state: EndState | None
    ) -> bytes:
        """Counts it, gives it an id, plans its receipt. Returns the id as the response tells it."""
        number = next(self._ids)
        self._account.counters.accepted += 1
        self._identities.add(submit.identity)
        if submit.registered:
            self.receipts.schedule(connection, submit, number, now, wall_s, state)
        if self._records.ring is not None:
            self._account.recent.append((submit, number))
        return self._outcomes.id_in_response(number)

    def _judge(self, connection: Connection, submit: Submit, in_batch: int, has_room: bool) -> Verdict:
        """Faults first, then limits, then luck. What limits refuse draws none: it depends on time, the luck must not."""
        verdict, scenario = Verdict(), self._account.scenario
        for fault in self._account.faults:
            fault.judge(submit, verdict)
        if verdict.status or verdict.answer == "nack":
            return verdict
        if not connection.submits_allowed:
            verdict.status = CommandStatus.ESME_RINVBNDSTS
        elif scenario.window and connection.unanswered + in_batch >= scenario.window:
            verdict.status = scenario.window_status
        elif not has_room:
            verdict.status = _THROTTLED
        elif scenario.queue_limit and self._account.counters.pending >= scenario.queue_limit:
            verdict.status = CommandStatus.ESME_RMSGQFUL
        else:
            self._outcomes.judge(submit, verdict)
            verdict.delay_s += self._outcomes.draw_latency()
        if scenario.session_messages and connection.submits >= scenario.session_messages:
            verdict.close = verdict.close or "after"
            verdict.why = verdict.why or "session_messages"
        return verdict

    def _carry_out(
        self,
        connection: Connection,
        sequence: int,
        submit: Submit,
        verdict: Verdict,
        answers: list[bytes],
        now: float,
        wall_s: float,
    ) -> bool:
        """Does what the verdict says. False when the connection is closed and nothing more of it is read."""
        counters = self._account.counters
        identity = b""
        if verdict.status:
            counters.statuses[verdict.status] += 1
        else:
            identity = self._accept(connection, submit, now, wall_s, verdict.state)
            if verdict.reply is not None:
                self._post.reply(self._account, submit, verdict.reply, now)
        if verdict.empty_id:
            identity = b""
        silent = verdict.answer == "none" or verdict.close == "before"
        counters.unanswered += silent
        if self._records.keeping:
            told = NOT_ANSWERED if silent else verdict.status
            self._records.submit(connection, sequence, submit, told, identity, wall_s)
        if not silent:
            answer = self._written(sequence, verdict, identity)
            if verdict.delay_s and not verdict.close:
                self._answer_later(connection, answer, now + verdict.delay_s)
            else:
                answers.append(answer)
        if not verdict.close:
            return True
        connection.write(b"".join(answers))
        answers.clear()
        connection.close(verdict.why)
        return False

    def _written(self, sequence: int, verdict: Verdict, identity: bytes) -> bytes:
        if verdict.answer == "nack":
            return header_only(Command.GENERIC_NACK, 0 if verdict.nack_zero else sequence, verdict.status)
        if verdict.status:
            return self._outcomes.refusal(sequence, verdict.status)
        return _acceptance(sequence, identity)

    def _answer_later(self, connection: Connection, answer: bytes, due: float) -> None:
        connection.unanswered += 1
        self._later.push(due, (connection, answer))
