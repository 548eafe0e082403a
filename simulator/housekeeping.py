"""What an SMSC does by the clock: links, idle binds, deliveries without a response, handsets that write unasked."""

from __future__ import annotations

from typing import Final

from simulator.account import Account
from simulator.connection import Connection
from simulator.mo import mo_deliveries
from simulator.smsc import Smsc
from smpp.core.errors import ConnectionFault

EVERY_S: Final = 0.5
BIND_TIMEOUT_S: Final = 10.0


class Housekeeping:
    """A round twice a second over all connections and accounts."""

    def __init__(self, smsc: Smsc) -> None:
        self._smsc = smsc
        self._checked: dict[Connection, float] = {}
        self._owed_mo: dict[Account, float] = {}
        self._running = False

    def start(self) -> None:
        self._running = True
        self._smsc.after(EVERY_S, self._round)

    def stop(self) -> None:
        self._running = False

    def _round(self) -> None:
        if not self._running:
            return
        self._smsc.after(EVERY_S, self._round)
        now = self._smsc.clock.monotonic()
        for connection in list(self._smsc.connections):
            self._tend(connection, now)
        for account in list(self._smsc.accounts.values()):
            self._write_mo(account)
        for gone in self._checked.keys() - self._smsc.connections.keys():
            del self._checked[gone]

    def _tend(self, connection: Connection, now: float) -> None:
        if not connection.mode:
            if now >= connection.opened_at + BIND_TIMEOUT_S:
                connection.close("no bind in time")
            return
        if connection.blocked or connection.closed:
            return
        scenario = connection.account.scenario
        if scenario.idle_drop_s and now >= connection.heard_at + scenario.idle_drop_s:
            connection.close("idle")
            return
        try:
            connection.write(connection.session.ask_link(now, scenario.enquire_link_s))
        except ConnectionFault as dead:
            connection.abort(dead.kind)
            return
        timeout = scenario.receipts.response_timeout_s
        if timeout and now >= self._checked.setdefault(connection, now) + timeout:
            self._checked[connection] = now
            self._smsc.post.overdue(connection, now)

    def _write_mo(self, account: Account) -> None:
        traffic = account.scenario.mo
        if not traffic.per_s or not any(connection.takes for connection in account.connections):
            return
        owed = self._owed_mo.get(account, 0.0) + traffic.per_s * EVERY_S
        self._owed_mo[account] = owed - int(owed)
        for _ in range(int(owed)):
            self._smsc.post.deliver(mo_deliveries(account, traffic.source, traffic.destination, traffic.text))
