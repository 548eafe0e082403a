"""One bind to a carrier through aiosmpplib, each step in one line with its time, and a verdict at the end.

The protocol is spoken by a stack that is not ours: what fails here as it does in a lane is the carrier's doing, or the
configuration's; what works here and not in a lane is ours. The relay in between only frames, times and guards.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from importlib.metadata import version
from typing import Any, Final, NamedTuple, TypeVar

import aiosmpplib

from cli.probe_reach import Streams, reach, resolve, secure
from cli.probe_relay import Guard, Relay, Seen
from cli.probe_report import Report, Step, StepFailed
from cli.probe_verdict import Verdict, of_bind, of_loss, of_silence, of_submit
from runtime.errors import ConfigError
from schemas.addresses import AddressError, check_sender, normalize_destination, sender_address
from schemas.carriers import Carrier
from schemas.sealing import masked
from smpp.core.constants import HEADER_BYTES, Command, status_name
from smpp.core.pdu import decode_body
from smpp.text.modes import Mode
from smpp.text.segments import Form, TooLong, Unencodable, measure

T = TypeVar("T")
UNBIND_BUDGET_S: Final = 3.0
_ENCODINGS: Final = {"gsm7": "gsm0338", "gsm7-packed": "gsm0338_packed", "latin1": "latin_1", "ascii": "ascii"}
_RESPONSES: Final = {
    "transceiver": Command.BIND_TRANSCEIVER_RESP,
    "transmitter": Command.BIND_TRANSMITTER_RESP,
    "receiver": Command.BIND_RECEIVER_RESP,
}


class ProbeMessage(NamedTuple):
    """What --to, --sender and --text ask for."""

    destination: str
    sender: str
    text: str


def message_of(carrier: Carrier, to: str, sender: str | None, text: str) -> ProbeMessage:
    """Raises ConfigError for what could not be sent in one segment."""
    try:
        destination = normalize_destination(to)
        if sender is None:
            raise AddressError("--to needs --sender: the carrier must know who sends")
        sender = check_sender(sender)
        measured = measure(text, Mode.AUTO, Form(carrier.default_alphabet, carrier.long_message))
    except (AddressError, Unencodable, TooLong) as fault:
        raise ConfigError("the probe's message can't be sent", str(fault)) from None
    if measured.segments != 1:
        raise ConfigError(f"--text takes {measured.segments} segments", "a probe sends one: shorten it")
    return ProbeMessage(destination, sender, text)


class Probe:
    """One run. `tell` gets each step as it ends, `tell_pdu` every PDU; `secret`: how to name the password's place."""

    def __init__(
        self, carrier: Carrier, bind: str, message: ProbeMessage | None, *, timeout_s: float, receipt_s: float, secret: str,
        tell: Callable[[str], None] | None, tell_pdu: Callable[[str], None] | None,
    ) -> None:  # fmt: skip
        self._carrier = carrier
        self._bind_word = bind
        self._message = message
        self._timeout_s = timeout_s
        self._receipt_s = receipt_s
        self._secret = secret
        self._tell = tell or (lambda _line: None)
        self._tell_pdu = tell_pdu
        self._guard = Guard(carrier.message_id_form)
        self.report = Report(carrier.name, f"aiosmpplib {version('aiosmpplib')}")

    async def run(self) -> Report:
        """All steps up to the first that fails. Raises nothing but what is a fault of ours."""
        carrier, report = self._carrier, self.report
        self._tell(f"{carrier.name}: {carrier.system_id} at {carrier.host}:{carrier.port}, through {report.stack}")
        try:
            upstream = await self._connect()
            relay = Relay(upstream, self._guard, carrier.busy_status, self._tell_pdu)
            try:
                await self._converse(relay)
            finally:
                await relay.stop()
        except StepFailed as failed:
            report.verdict = failed.verdict
        report.refused_deliveries = self._guard.refused
        if self._guard.refused:
            self._tell(f"  {self._guard.refused} deliveries were refused for a moment: they belong to the lanes")
        self._tell(f"verdict: {report.verdict.what}")
        return report

    # ---- steps

    async def _step(self, name: str, work: Awaitable[tuple[T, str]]) -> T:
        """`work` gives its result and the detail of its line. Raises StepFailed."""
        started = time.monotonic()
        try:
            result, detail = await work
        except StepFailed as failed:
            self._add(Step(name, False, (time.monotonic() - started) * 1000, failed.detail))
            raise
        self._add(Step(name, True, (time.monotonic() - started) * 1000, detail))
        return result

    def _add(self, step: Step) -> None:
        self.report.steps.append(step._replace(ms=round(step.ms, 1)))
        self._tell(step.line())

    async def _connect(self) -> Streams:
        address = await self._step("resolve", resolve(self._carrier, self._timeout_s))
        sock = await self._step("connect", reach(address, self._timeout_s))
        if not self._carrier.tls.enabled:
            return await asyncio.open_connection(sock=sock)
        return await self._step("tls", secure(self._carrier, sock, self._timeout_s))

    async def _converse(self, relay: Relay) -> None:
        esme = self._stack(await relay.start())
        await self._step("bind", self._bind(esme, relay))
        life = asyncio.create_task(esme.start())
        try:
            await self._step("enquire_link", self._enquire(esme, relay))
            if self._message is not None:
                await self._step("submit_sm", self._submit(esme, relay, self._message))
                if self._receipt_s > 0:
                    await self._step("receipt", self._receipt(relay))
        finally:
            if not relay.closed.is_set():
                await self._unbind(esme, relay)
            life.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await life

    def _stack(self, port: int) -> Any:
        carrier = self._carrier
        mode = aiosmpplib.BindMode[self._bind_word.upper()]
        # A receiver's queue is not sent, so its enquire_link comes from the stack's own timer.
        interval = 0.2 if self._bind_word == "receiver" else carrier.enquire_link_s
        return aiosmpplib.ESME(
            "127.0.0.1", port, carrier.system_id, carrier.password, carrier.system_type, bind_mode=mode,
            enquire_link_interval=float(interval), socket_timeout=float(self._timeout_s),
            default_encoding=_ENCODINGS[carrier.default_alphabet], log_level=logging.CRITICAL + 1,
            log_handler=logging.NullHandler(),
        )  # fmt: skip

    async def _bind(self, esme: Any, relay: Relay) -> tuple[None, str]:
        name = f"bind_{self._bind_word}"
        trying = asyncio.create_task(esme.connect())
        try:
            answer = await self._answer(relay, (_RESPONSES[self._bind_word], Command.GENERIC_NACK), name)
            with contextlib.suppress(
                aiosmpplib.SmppError, OSError, ValueError, TimeoutError, asyncio.IncompleteReadError
            ):
                await trying
        finally:
            trying.cancel()
        told = status_name(answer.status)
        # The stack takes ESME_RALYBND for a bind; the carrier does not.
        if answer.status or answer.command == Command.GENERIC_NACK:
            raise StepFailed(told, of_bind(answer.status, self._carrier, self._secret))
        fields, tlvs = decode_body(_RESPONSES[self._bind_word], 0, answer.pdu, HEADER_BYTES, len(answer.pdu))
        spoken = dict(tlvs).get(0x0210) if tlvs else None
        speaks = f", speaks SMPP {spoken[0] >> 4}.{spoken[0] & 15}" if spoken else ""
        return None, f"{told} as {self._bind_word}; the SMSC calls itself {str(fields.get('system_id', ''))!r}{speaks}"

    async def _enquire(self, esme: Any, relay: Relay) -> tuple[None, str]:
        if self._bind_word != "receiver":
            await esme.broker.enqueue(aiosmpplib.EnquireLink())
        answer = await self._answer(relay, (Command.ENQUIRE_LINK_RESP, Command.GENERIC_NACK), "enquire_link")
        esme.enquire_link_interval = 30.0
        return None, status_name(answer.status)

    async def _submit(self, esme: Any, relay: Relay, message: ProbeMessage) -> tuple[None, str]:
        carrier = self._carrier
        ton, npi, source = sender_address(message.sender, carrier.source.ton, carrier.source.npi)
        pdu = aiosmpplib.SubmitSm(
            short_message=message.text,
            source=_phone(source, ton, npi),
            destination=_phone(message.destination, carrier.destination.ton, carrier.destination.npi),
            registered_delivery=1,
        )
        await esme.broker.enqueue(pdu)
        answer = await self._answer(relay, (Command.SUBMIT_SM_RESP, Command.GENERIC_NACK), "submit_sm")
        told = status_name(answer.status)
        if answer.status:
            raise StepFailed(told, of_submit(answer.status, carrier))
        return None, f"{told}; message id {self._guard.smsc_message_id!r} for {masked(message.destination)}"

    async def _receipt(self, relay: Relay) -> tuple[None, str]:
        try:
            seen = await self._answer(relay, (Command.DELIVER_SM, Command.DATA_SM), "receipt", self._receipt_s)
        except StepFailed as failed:
            if relay.closed.is_set():
                raise
            what = (
                f"the message was taken, its receipt did not come on this bind within {self._receipt_s:g} s: carriers may send"
                " it to any bind of the account, or later; look for it with `smpp-dispatch messages`"
            )
            raise StepFailed(failed.detail, Verdict("carrier", what)) from None
        message = aiosmpplib.DeliverSm.from_pdu(
            seen.pdu, aiosmpplib.SmppMessage.parse_header(seen.pdu[:HEADER_BYTES]), "gsm0338"
        )
        told = message.parse_receipt() if isinstance(message, aiosmpplib.DeliverSm) else {}
        return None, f"stat {told.get('stat', '?')}, err {told.get('err', '?')}"

    async def _unbind(self, esme: Any, relay: Relay) -> None:
        started = time.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(UNBIND_BUDGET_S):
                stopping = asyncio.create_task(esme.stop())
                with contextlib.suppress(StepFailed):
                    await self._answer(relay, (Command.UNBIND_RESP,), "unbind", UNBIND_BUDGET_S)
                    self._add(Step("unbind", True, (time.monotonic() - started) * 1000, "ESME_ROK"))
                    await stopping
                    return
        told = relay.fault or f"no answer within {UNBIND_BUDGET_S:g} s; closed without"
        self._add(Step("unbind", True, (time.monotonic() - started) * 1000, told))

    async def _answer(self, relay: Relay, commands: Iterable[int], step: str, timeout_s: float | None = None) -> Seen:
        """The next PDU of these from the carrier. Raises StepFailed when it closes first, or does not answer in time."""
        wanted, limit = set(commands), timeout_s or self._timeout_s
        try:
            async with asyncio.timeout(limit):
                while True:
                    seen = await _first(relay)
                    if seen is None:
                        raise StepFailed(relay.fault, of_loss(step, relay.fault))
                    if seen.command in wanted:
                        return seen
                    if seen.command == Command.UNBIND:
                        what = "the carrier asked to unbind"
                        raise StepFailed(what, of_loss(step, what))
        except TimeoutError:
            raise StepFailed(f"no answer in {limit:g} s", of_silence(step, limit)) from None


async def _first(relay: Relay) -> Seen | None:
    """The next PDU, or None when the connection ends before one comes."""
    if not relay.seen.empty():
        return relay.seen.get_nowait()
    coming, ending = asyncio.create_task(relay.seen.get()), asyncio.create_task(relay.closed.wait())
    try:
        await asyncio.wait({coming, ending}, return_when=asyncio.FIRST_COMPLETED)
        if coming.done():
            return coming.result()
        return None if relay.seen.empty() else relay.seen.get_nowait()
    finally:
        coming.cancel()
        ending.cancel()


def _phone(number: str, ton: int, npi: int) -> Any:
    try:
        return aiosmpplib.PhoneNumber(number, aiosmpplib.TON(ton), aiosmpplib.NPI(npi))
    except ValueError as fault:
        what = f"ton {ton} and npi {npi} are none that SMPP 3.4 names: check source and destination of the carrier"
        raise StepFailed(str(fault), Verdict("configuration", what)) from None
