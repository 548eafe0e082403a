"""The SMSC as a whole: accounts, connections, the agenda, faults and records. Free of sockets: tests run it in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Final, Protocol

from runtime.clock import Clock
from runtime.errors import OperatorError
from simulator.account import Account
from simulator.connection import Connection
from simulator.fault_kinds import KINDS
from simulator.faults import Faults
from simulator.faults_of_binds import CLOSE_SILENTLY
from simulator.identities import Identities
from simulator.intake import Intake
from simulator.journal import GATHER_S, Journal
from simulator.mo import mo_deliveries
from simulator.outcomes import Outcomes
from simulator.post import Post
from simulator.receipts import ReceiptMaker
from simulator.records import Records
from simulator.scenario import MOST_ACCOUNTS, Scenario
from simulator.wheel import Agenda
from simulator.wire import submit_responses
from smpp.core.constants import CommandStatus
from smpp.core.smsc import BindRequest

MOST_CONNECTIONS: Final = 10_000
# Ids go on from a number that no earlier run has reached, however fast it gave them.
_IDS_PER_S: Final = 1_000_000


class Doors(Protocol):
    """The listening port."""

    def shut(self) -> None: ...
    def open(self) -> None: ...


class NoDoors:
    """Of an SMSC that nobody can connect to: tests in virtual time."""

    def shut(self) -> None:
        return

    def open(self) -> None:
        return


class Smsc:
    """All state of a simulator. `on_fault` is told what the process can't go on with."""

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        clock: Clock,
        journal_path: str | None = None,
        on_fault: Callable[[OperatorError], None] = lambda fault: None,
    ) -> None:
        self.seed = seed
        self.clock = clock
        self.agenda = Agenda()
        self.doors: Doors = NoDoors()
        self.accounts: dict[str, Account] = {}
        self.connections: dict[Connection, None] = {}
        self._actions = self.agenda.wheel(self._act)
        self._answers = self.agenda.wheel(self._write_answers)
        journal = None
        if journal_path is not None:
            journal = Journal(journal_path, lambda: self.after(GATHER_S, self._flush), on_fault)
        self.records = Records(clock, journal)
        self.post = Post(self.agenda, self.records, seed)
        self.faults = Faults(self, KINDS)
        self.identities = Identities(scenario.identities)
        self._binds = count(1)
        self._ids = count(scenario.first_message_id or clock.wall_ms() // 1000 * _IDS_PER_S)
        self.configure(scenario)

    def configure(self, scenario: Scenario) -> None:
        """Takes a scenario: for the submits from now on. Raises ValueError when an account makes no sense."""
        ready = {name: scenario.account(name) for name in [*self.accounts, *scenario.accounts]}
        self.scenario = scenario
        self.records.keep_submits(scenario.keep_submits)
        self.identities.limit = scenario.identities
        for name, options in ready.items():
            account = self.accounts.get(name)
            if account is None:
                account = self.accounts[name] = Account(name, options, self.seed)
            else:
                account.configure(options, self.seed)
            self._equip(account)

    def after(self, delay_s: float, action: Callable[[], object]) -> None:
        """Calls `action` once, `delay_s` seconds from now."""
        self._actions.push(self.clock.monotonic() + delay_s, action)

    def opened(self, connection: Connection) -> None:
        """A TCP connection is there; nobody knows yet whose."""
        if len(self.connections) >= MOST_CONNECTIONS:
            connection.abort("too many connections")
            return
        self.connections[connection] = None

    def bind(self, connection: Connection, request: BindRequest) -> None:
        """Lets in or refuses."""
        objection = self.faults.admit(connection, request.system_id)
        if objection == CLOSE_SILENTLY:
            connection.abort("fault outage")
            return
        account = self._account(request.system_id)
        if objection is None:
            objection = CommandStatus.ESME_RINVSYSID if account is None else account.refusal(request)
        if objection or account is None:
            self.records.session("bind", connection, objection, f"refused for {request.system_id!r}")
            connection.refuse(request, objection)
            return
        account.connections.append(connection)
        connection.accept(account, request, next(self._binds))
        self.records.session("bind", connection, 0, connection.peer())
        self.post.welcome(connection)

    def unbound(self, connection: Connection) -> None:
        self.records.session("unbind", connection, 0, "")

    def closed(self, connection: Connection, why: str) -> None:
        """The TCP connection is gone: what was on its way on it goes elsewhere."""
        self.connections.pop(connection, None)
        if not connection.mode:
            return
        account = connection.account
        account.connections.remove(connection)
        for sequence in submit_responses(connection.take_held()):
            self.records.unanswered(connection, sequence)
        self.records.session("disconnect", connection, 0, why)
        self.post.abandoned(connection, self.clock.monotonic())

    def send_mo(self, system_id: str, source: str, destination: str, text: str) -> int:
        """Queues an MO for an account and tells how many parts it has. Raises KeyError, ValueError."""
        account = self.accounts.get(system_id)
        if account is None:
            raise KeyError(f"no account {system_id!r}")
        parts = list(mo_deliveries(account, source, destination, text))
        self.post.deliver(parts)
        return len(parts)

    def close(self) -> None:
        """Closes the journal; to be called when every connection is gone."""
        if self.records.journal is not None:
            self.records.journal.close()
            self.records.journal = None

    def _account(self, system_id: str) -> Account | None:
        """The account of a name: configured, or anyone's when none are."""
        if self.scenario.accounts:
            return self.accounts.get(system_id) if system_id in self.scenario.accounts else None
        account = self.accounts.get(system_id)
        if account is None and system_id and len(self.accounts) < MOST_ACCOUNTS:
            account = self.accounts[system_id] = Account(system_id, self.scenario.account(system_id), self.seed)
            self._equip(account)
        return account

    def _equip(self, account: Account) -> None:
        scenario, rng, post = account.scenario, account.rng, self.post
        outcomes = Outcomes(scenario, rng)
        labelled = self.records.journal is not None
        receipts = ReceiptMaker(
            scenario.receipts, outcomes, rng, account.counters, labelled, post.due.push, post.at_once, post.before_answers
        )  # fmt: skip
        account.intake = Intake(
            account, outcomes, receipts, post, self._answers, self._ids, self.identities, self.records
        )
        self.faults.brief(account)

    def _write_answers(self, due: list[tuple[Connection, bytes]]) -> None:
        """Drains the wheel of answers: one write a connection."""
        by_connection: dict[Connection, list[bytes]] = {}
        for connection, data in due:
            by_connection.setdefault(connection, []).append(data)
        for connection, answers in by_connection.items():
            connection.answered(answers)
            if connection.closed:
                for sequence in submit_responses(b"".join(answers)):
                    self.records.unanswered(connection, sequence)

    def _flush(self) -> None:
        if self.records.journal is not None:
            self.records.journal.flush()

    @staticmethod
    def _act(due: list[Callable[[], object]]) -> None:
        for action in due:
            action()
