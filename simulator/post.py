"""Deliveries on their way to an ESME: which bind takes one, its window, what is sent again, what is kept until someone binds."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from simulator.account import Account
from simulator.mo import mo_deliveries
from simulator.records import Records
from simulator.wheel import Agenda
from simulator.wire import Delivery, Submit
from smpp.core.constants import CommandStatus

if TYPE_CHECKING:
    from simulator.connection import Connection

# The ESME will never take it: a real SMSC gives up too (§5.1.3).
_FINAL_REFUSALS: Final = frozenset((CommandStatus.ESME_RX_P_APPN, CommandStatus.ESME_RX_R_APPN))
_REPLY_AFTER_S: Final = 0.1
Filter = Callable[[list[Delivery]], list[Delivery]]


class Post:
    """All accounts' deliveries. `filters` are the faults that lose, double or shuffle what is due."""

    def __init__(self, agenda: Agenda, records: Records, seed: int) -> None:
        self._records = records
        self._luck = random.Random(f"{seed}:post")
        self._ready: list[Delivery] = []
        self._early: list[Delivery] = []
        self.filters: tuple[Filter, ...] = ()
        self.due = agenda.wheel(self.route)
        self.delayed = agenda.wheel(self.deliver)
        self.at_once = self._ready.append
        self.before_answers = self._early.append

    def dispatch(self) -> None:
        """Sends what became due while a read was worked on."""
        if self._ready:
            batch = self._ready.copy()
            self._ready.clear()
            self.route(batch)

    def dispatch_early(self) -> None:
        """Sends what overtakes its submit_sm_resp."""
        if self._early:
            batch = self._early.copy()
            self._early.clear()
            self.route(batch)

    def route(self, batch: list[Delivery]) -> None:
        """Takes what is due through the faults and on to the binds."""
        for change in self.filters:
            batch = change(batch)
        self.deliver(batch)

    def deliver(self, batch: Iterable[Delivery]) -> None:
        """Puts each delivery to the bind that takes it and sends as much as the windows let."""
        touched: dict[Connection, None] = {}
        for delivery in batch:
            origin = delivery[1]
            connection = origin.first or self._choose(origin)
            if connection is None:
                self._keep(origin.account, delivery)
            else:
                connection.backlog.append(delivery)
                touched[connection] = None
        for connection in touched:
            self.flush(connection)

    def flush(self, connection: Connection) -> None:
        """Sends what waits for this bind, up to its window."""
        backlog, session = connection.backlog, connection.session
        if not backlog or not connection.takes:
            return
        options = connection.account.scenario.receipts
        room = 0 if connection.blocked else min(options.window - session.outstanding, len(backlog))
        if room <= 0:
            self._bound(connection.account, backlog)
            return
        batch = [backlog.popleft() for _ in range(room)]
        connection.write(session.send(batch))
        self._count_sent(connection, batch)

    def acknowledged(self, connection: Connection, responses: list[tuple[Delivery, int]], now: float) -> None:
        """deliver_sm_resp came: done, or again later. `now` is monotonic seconds."""
        counters = connection.account.counters
        journal, wall_s = self._records.journal, self._records.clock.wall_ms() / 1000
        for delivery, status in responses:
            if journal is not None:
                self._records.delivery("acked", connection, delivery, status, wall_s)
            if status and status not in _FINAL_REFUSALS:
                self._again(connection.account, delivery, now)
            elif delivery.kind == "mo":
                counters.mo_acked += 1
            elif status:
                counters.refused += 1
            else:
                counters.acked += 1
        self.flush(connection)

    def welcome(self, connection: Connection) -> None:
        """A bind that takes deliveries is up: it gets what was kept."""
        kept = connection.account.kept
        if connection.takes and kept:
            batch = list(kept)
            kept.clear()
            self.deliver(batch)

    def abandoned(self, connection: Connection, now: float) -> None:
        """The bind is gone: what was on its way is sent again later, what waited goes elsewhere at once."""
        for delivery in connection.session.abandon():
            self._again(connection.account, delivery, now)
        waiting = list(connection.backlog)
        connection.backlog.clear()
        self.deliver(waiting)

    def overdue(self, connection: Connection, now: float) -> None:
        """To be called every response timeout: sends again what has no response since the last call."""
        for delivery in connection.session.unanswered_since(connection.seen_unanswered):
            self._again(connection.account, delivery, now)
        self.flush(connection)

    def reply(self, account: Account, submit: Submit, text: str, now: float) -> None:
        """The handset that got `submit` answers."""
        for delivery in mo_deliveries(account, submit.number, submit.source[2:-1].decode("latin-1"), text):
            self.due.push(now + _REPLY_AFTER_S, delivery)

    def _choose(self, origin: Connection | Account) -> Connection | None:
        """A bind of the account that takes deliveries, by the account's manner; None when there is none."""
        account = origin.account
        takers = [connection for connection in account.connections if connection.takes]
        if account.scenario.receipts.bind == "sibling":
            takers = [connection for connection in takers if connection is not origin] or takers
        if len(takers) < 2:
            return takers[0] if takers else None
        return takers[int(self._luck.random() * len(takers))]

    def _again(self, account: Account, delivery: Delivery, now: float) -> None:
        self.due.push(now + account.scenario.receipts.retry_s, delivery._replace(again=True))

    def _keep(self, account: Account, delivery: Delivery) -> None:
        account.kept.append(delivery)
        self._bound(account, account.kept)

    @staticmethod
    def _bound(account: Account, waiting: deque[Delivery]) -> None:
        """Drops the oldest of what waits beyond the account's limit."""
        while len(waiting) > account.scenario.receipts.kept:
            account.counters.dropped += waiting.popleft().kind != "mo"

    def _count_sent(self, connection: Connection, batch: list[Delivery]) -> None:
        counters = connection.account.counters
        journal, wall_s = self._records.journal, self._records.clock.wall_ms() / 1000
        for delivery in batch:
            if delivery.again:
                counters.resent += 1
            elif delivery.kind == "mo":
                counters.mo += 1
            else:
                counters.sent += 1
            if journal is not None:
                self._records.delivery("sent", connection, delivery, 0, wall_s)
