"""Faults of receipts: lost, doubled, out of order, in floods."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from simulator.account import Account
from simulator.distributions import Seconds
from simulator.faults import Fault, FaultOptions, ReceiptFault
from simulator.outcomes import end_state
from simulator.wire import Delivery, Submit


class ReceiptLoss(ReceiptFault):
    sentence = "Receipts are lost for ever."

    def turn(self, delivery: Delivery) -> tuple[Delivery, ...]:
        delivery.origin.account.counters.dropped += 1
        return ()


class ReceiptDuplicate(ReceiptFault):
    sentence = "Receipts come twice."

    def turn(self, delivery: Delivery) -> tuple[Delivery, ...]:
        delivery.origin.account.counters.made += 1
        return delivery, delivery


class ReorderOptions(FaultOptions):
    delay_s: Seconds = 2


class ReceiptReorder(ReceiptFault):
    sentence = "Receipts are kept back for up to delay_s, each as luck has it."
    Options = ReorderOptions

    def turn(self, delivery: Delivery) -> tuple[Delivery, ...]:
        self.smsc.post.delayed.push(self.smsc.clock.monotonic() + self._luck.random() * self.options.delay_s, delivery)
        return ()


class FloodOptions(FaultOptions):
    count: int = Field(default=10_000, ge=1, le=5_000_000, description="Receipts, over all binds.")
    ids: Literal["invented", "recent"] = Field(
        default="invented", description="recent needs the scenario's keep_submits."
    )


class ReceiptFlood(Fault):
    """Made a few thousand at a time, so that neither memory nor other accounts feel it."""

    sentence = "count receipts as fast as the windows let, for ids that were invented or are recent."
    Options = FloodOptions
    _AT_ONCE: Final = 2000

    def begin(self) -> None:
        self._left = self.options.count
        self._pour()

    def _pour(self) -> None:
        accounts = [
            account
            for account in self.smsc.accounts.values()
            if self.concerns(account.name) and any(connection.takes for connection in account.connections)
        ]
        waiting = sum(len(connection.backlog) for connection in self.connections())
        if accounts and waiting < self._AT_ONCE:
            batch = [self._invent(accounts[at % len(accounts)]) for at in range(min(self._left, self._AT_ONCE))]
            self._left -= len(batch)
            self.smsc.post.deliver(batch)
        if self._left and self.id in self.smsc.faults.active:
            self.smsc.after(0.01, self._pour)
        else:
            self.smsc.after(0, lambda: self.smsc.faults.stop(self.id))

    def _invent(self, account: Account) -> Delivery:
        self.fire()
        account.counters.made += 1
        account.counters.flood += 1
        wall_s = self.smsc.clock.wall_ms() / 1000
        if self.options.ids == "recent" and account.recent:
            submit, number = self._luck.choice(account.recent)
        else:
            destination = b"\x01\x01%d\0" % self._luck.randrange(10**12, 10**13)
            submit = Submit(b"\x05\0Flood\0", destination, 0, b"", 1, 0, b"never submitted", ())
            number = self._luck.randrange(10**17, 10**18)
        state = end_state("DELIVRD", account.scenario.receipts)
        made = account.intake.receipts.make(account, submit, number, state, wall_s - 3600, wall_s)
        return made._replace(kind="flood")
