"""The probe's judgement: what may pass to the foreign stack, and what a step's end means."""

from __future__ import annotations

import pytest

from cli.probe import message_of
from cli.probe_relay import Guard
from cli.probe_verdict import of_bind, of_loss, of_silence, of_submit, password_variable
from runtime.errors import ConfigError
from schemas.carriers import Carrier
from smpp.core.constants import Command, CommandStatus
from smpp.core.pdu import Pdu, encode

CARRIER = Carrier.model_validate(
    {"name": "alpha", "host": "h", "port": 1, "system_id": "alpha", "tps": 10, "lanes": 2,
     "errors": {"0x401": {"outcome": "permanent", "code": "blocked_by_carrier"}}}
)  # fmt: skip


def receipt(message_id: str, command: Command = Command.DELIVER_SM) -> bytes:
    text = f"id:{message_id} sub:001 dlvrd:001 submit date:2601010000 done date:2601010000 stat:DELIVRD err:000 text:".encode()
    fields: dict[str, str | int | bytes] = {"esm_class": 4, "source_addr": "8613800000000", "short_message": text}
    if command == Command.DATA_SM:
        return encode(Pdu(command, 0, 7, {"esm_class": 4}, ((0x001E, message_id.encode() + b"\0"), (0x0427, b"\x02"))))
    return encode(Pdu(command, 0, 7, fields))


def answered(message_id: str) -> bytes:
    return encode(Pdu(Command.SUBMIT_SM_RESP, 0, 3, {"message_id": message_id}))


def test_nothing_that_is_delivered_passes_before_the_probe_has_submitted() -> None:
    assert not Guard("auto").lets(Command.DELIVER_SM, 7, receipt("abc"))


@pytest.mark.parametrize(
    ("form", "response", "told", "passes"),
    [
        ("verbatim", "abc", "abc", True),
        ("verbatim", "abc", "abd", False),
        ("auto", "1f", "31", True),
        ("auto", "31", "1f", True),
        ("hex", "00AB", "ab", True),
        ("auto", "1f", "32", False),
    ],
)
def test_only_the_receipt_of_the_probe_s_own_message_passes(form: str, response: str, told: str, passes: bool) -> None:
    guard = Guard(form)
    guard.submitted(answered(response))
    assert guard.smsc_message_id == response
    assert guard.lets(Command.DELIVER_SM, 7, receipt(told)) is passes


def test_a_receipt_in_a_data_sm_passes_too() -> None:
    guard = Guard("auto")
    guard.submitted(answered("77"))
    assert guard.lets(Command.DATA_SM, 7, receipt("77", Command.DATA_SM))
    assert not guard.lets(Command.DATA_SM, 7, receipt("78", Command.DATA_SM))


def test_a_message_from_a_handset_and_rubbish_don_t_pass() -> None:
    guard = Guard("auto")
    guard.submitted(answered("77"))
    assert not guard.lets(Command.DELIVER_SM, 7, encode(Pdu(Command.DELIVER_SM, 0, 7, {"short_message": b"hello"})))
    assert not guard.lets(Command.DELIVER_SM, 7, receipt("77")[:30])


@pytest.mark.parametrize(
    ("status", "fault", "says"),
    [
        (CommandStatus.ESME_RINVPASWD, "configuration", "ask the carrier or check ${ALPHA_PASSWORD}"),
        (CommandStatus.ESME_RINVSYSID, "configuration", "does not know the system_id 'alpha'"),
        (CommandStatus.ESME_RALYBND, "configuration", "our 2 lanes may hold them"),
        (CommandStatus.ESME_RBINDFAIL, "carrier", "IP address that is not allowed"),
        (0x00000499, "carrier", "0x00000499: a refusal that SMPP 3.4 gives no reason for"),
    ],
)
def test_a_refused_bind_says_whose_move_it_is(status: int, fault: str, says: str) -> None:
    verdict = of_bind(status, CARRIER, "${ALPHA_PASSWORD}")
    assert verdict.fault == fault
    assert says in verdict.what


def test_a_refused_submit_is_read_by_the_carrier_s_own_table() -> None:
    assert of_submit(0x401, CARRIER).what.startswith("0x00000401: A rule of the carrier")
    assert of_submit(CommandStatus.ESME_RTHROTTLED, CARRIER).fault == "carrier"
    assert of_submit(CommandStatus.ESME_RINVSRCADR, CARRIER).fault == "configuration"


def test_silence_and_loss_name_the_step() -> None:
    assert "no answer to submit_sm within 5 s" in of_silence("submit_sm", 5).what
    assert "our IP address may not be allowed" in of_loss("bind_transceiver", "the carrier closed the connection").what
    assert "during enquire_link" in of_loss("enquire_link", "the carrier closed the connection").what


def test_the_password_s_place_is_named_and_the_password_is_not() -> None:
    text = '[carriers.a]\npassword = "${A_PASSWORD}"\n[carriers.b]\npassword = "secret"\n[carriers.c]\n'
    assert password_variable(text, "a") == "${A_PASSWORD}"
    assert password_variable(text, "b") == "carriers.b.password"
    assert password_variable(text, "c") == "carriers.c.password"


def test_a_probe_s_message_is_one_segment_with_a_sender() -> None:
    assert message_of(CARRIER, "+8613800000000", "Acme", "hello").destination == "8613800000000"
    for to, sender, text in (
        ("123", "Acme", "x"),
        ("+8613800000000", None, "x"),
        ("+8613800000000", "Acme", "x" * 161),
    ):
        with pytest.raises(ConfigError):
            message_of(CARRIER, to, sender, text)
