"""Faults that a submit meets: no answer, a late one, a refusal, the end of its connection."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from simulator.distributions import Seconds
from simulator.faults import FaultOptions, JudgingFault
from simulator.outcomes import Verdict
from simulator.scenario import Status
from simulator.wire import Submit
from smpp.core.constants import CommandStatus


class DisconnectOptions(FaultOptions):
    mode: Literal["now", "before_response", "after_response"] = "now"
    times: int | None = Field(
        default=1, ge=1, description="Connections to close at a submit; null: all while it lasts."
    )


class Disconnect(JudgingFault):
    """A submit that is not answered was accepted all the same: its receipt comes."""

    sentence = "Closes without unbind: now, or at the next submit before or after its response."
    Options = DisconnectOptions

    def begin(self) -> None:
        if self.options.mode != "now":
            return
        for connection in self.connections():
            connection.abort("fault disconnect")
            self.fire()
        self.smsc.after(0, lambda: self.smsc.faults.stop(self.id))

    def judge(self, submit: Submit, verdict: Verdict) -> None:
        if self.options.mode != "now":
            super().judge(submit, verdict)

    def change(self, verdict: Verdict) -> None:
        verdict.close = self.options.mode.removesuffix("_response")
        verdict.why = "fault disconnect"


class Silence(JudgingFault):
    sentence = "Submits are accepted and never answered."

    def change(self, verdict: Verdict) -> None:
        verdict.answer = "none"


class SlowOptions(FaultOptions):
    delay_s: Seconds = 1


class Slow(JudgingFault):
    sentence = "Answers take delay_s longer."
    Options: ClassVar[type[FaultOptions]] = SlowOptions

    def change(self, verdict: Verdict) -> None:
        verdict.delay_s += self.options.delay_s


class LateOptions(FaultOptions):
    delay_s: Seconds = 70


class LateResponse(Slow):
    sentence = "Answers come after delay_s, when the client has given up."
    Options = LateOptions


class ErrorOptions(FaultOptions):
    status: Status = int(CommandStatus.ESME_RSYSERR)


class Error(JudgingFault):
    sentence = "Submits are refused with status."
    Options: ClassVar[type[FaultOptions]] = ErrorOptions

    def change(self, verdict: Verdict) -> None:
        verdict.status = self.options.status


class ThrottleOptions(ErrorOptions):
    status: Status = int(CommandStatus.ESME_RTHROTTLED)


class Throttle(Error):
    sentence = "Submits are refused with ESME_RTHROTTLED."
    Options = ThrottleOptions


class QueueFullOptions(ErrorOptions):
    status: Status = int(CommandStatus.ESME_RMSGQFUL)


class QueueFull(Error):
    sentence = "Submits are refused with ESME_RMSGQFUL."
    Options = QueueFullOptions


class NackOptions(ErrorOptions):
    status: Status = int(CommandStatus.ESME_RINVCMDID)
    zero_sequence: bool = Field(
        default=False, description="With sequence_number 0: nobody can tell which submit it means."
    )


class GenericNack(JudgingFault):
    sentence = "Submits are answered with generic_nack."
    Options = NackOptions

    def change(self, verdict: Verdict) -> None:
        verdict.answer = "nack"
        verdict.status = self.options.status
        verdict.nack_zero = self.options.zero_sequence


class EmptyId(JudgingFault):
    sentence = "Submits are accepted with an empty message_id."

    def change(self, verdict: Verdict) -> None:
        verdict.empty_id = True
