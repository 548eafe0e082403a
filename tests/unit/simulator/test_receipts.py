"""Receipts: whether, what, when, where to, and again until acknowledged."""

from __future__ import annotations

from typing import Any

import pytest

from smpp.core.constants import DATA_SM, CommandStatus, Tag
from smpp.core.sm import Delivery
from tests.unit.simulator.rig import Client, Rig, many, message


def texts(client: Client) -> list[str]:
    return [delivery.user_data.decode("latin-1") for delivery in client.deliveries]


def field(text: str, name: str) -> str:
    return text.partition(f"{name}:")[2].partition(" ")[0]


def tlv(delivery: Delivery, tag: int) -> bytes:
    return next(value for found, value in delivery.tlvs if found == tag)


def one(registered: int = 1, **receipts: Any) -> Client:
    rig = Rig(receipts=receipts)
    client = rig.client()
    client.submit(message(registered=registered))
    rig.advance(10)
    return client


def test_a_receipt_tells_text_and_tlvs_with_addresses_swapped() -> None:
    client = one()
    (receipt,) = client.deliveries
    assert (receipt.source, receipt.destination, receipt.esm_class) == ("8613800000000", "Acme", 0x04)
    assert texts(client) == [
        "id:1000 sub:001 dlvrd:001 submit date:2609211413 done date:2609211413 stat:DELIVRD err:000 text:hello"
    ]
    assert tlv(receipt, Tag.RECEIPTED_MESSAGE_ID) == b"1000\0"
    assert tlv(receipt, Tag.MESSAGE_STATE) == b"\x02"
    assert tlv(receipt, Tag.NETWORK_ERROR_CODE) == b"\x03\x00\x00"
    assert client.ids() == ["1000"]


@pytest.mark.parametrize(
    ("registered", "state", "comes"),
    [(0, "DELIVRD", 0), (1, "DELIVRD", 1), (1, "UNDELIV", 1), (2, "DELIVRD", 0), (2, "UNDELIV", 1), (3, "UNDELIV", 0)],
)
def test_receipts_come_as_registered_delivery_asks(registered: int, state: str, comes: int) -> None:
    assert len(one(registered, states={state: 1}).deliveries) == comes


def test_a_receipt_comes_when_it_is_due_and_not_before() -> None:
    rig = Rig(receipts={"delay": 2.5})
    client = rig.client()
    client.submit(message())
    rig.advance(2.499)
    assert not client.deliveries
    rig.advance(0.003)
    assert len(client.deliveries) == 1


def test_states_follow_their_weights_and_carry_their_err() -> None:
    rig = Rig(receipts={"states": {"DELIVRD": 0.9, "UNDELIV": 0.1}})
    client = rig.client()
    client.submit(*many(2000))
    undelivered = [text for text in texts(client) if field(text, "stat") == "UNDELIV"]
    assert 150 < len(undelivered) < 250
    assert {field(text, "err") for text in undelivered} == {"027"}
    assert {field(text, "dlvrd") for text in undelivered} == {"000"}


def test_one_seed_makes_one_run() -> None:
    def run(seed: int) -> list[str]:
        rig = Rig(
            seed,
            errors={"ESME_RSYSERR": 0.2},
            latency={"kind": "uniform", "low_s": 0.01, "high_s": 0.1},
            receipts={
                "states": {"DELIVRD": 1, "EXPIRED": 1},
                "delay": {"kind": "exponential", "mean_s": 2},
                "loss": 0.1,
            },
        )
        client = rig.client()
        for batch in (7, 1, 12):
            client.submit(*many(batch))
        rig.advance(60)
        return [*map(str, client.answers), *texts(client)]

    assert run(7) == run(7)
    assert run(7) != run(8)


@pytest.mark.parametrize(
    ("form", "told", "receipted"),
    [
        ("dec", "1000", "1000"),
        ("hex", "3e8", "3e8"),
        ("upper", "3E8", "3E8"),
        ("hex-dec", "3e8", "1000"),
        ("dec-hex", "1000", "3e8"),
        ("padded", "00000000000000001000", "00000000000000001000"),
        ("padded-stripped", "00000000000000001000", "1000"),
        ("lower-upper", "3e8", "3E8"),
        ("huge", str(2**64 + 1000), str(2**64 + 1000)),
        ("long", "f" * 44 + "3e8".rjust(20, "0"), "f" * 44 + "3e8".rjust(20, "0")),
        ("empty", "", "1000"),
    ],
)
def test_ids_are_written_in_every_form(form: str, told: str, receipted: str) -> None:
    rig = Rig(message_id_form=form)
    client = rig.client()
    client.submit(message())
    assert client.ids() == [told]
    assert field(texts(client)[0], "id") == receipted


@pytest.mark.parametrize(
    ("dates", "length"), [("yyMMddHHmm", 10), ("yyMMddHHmmss", 12), ("yyyyMMddHHmm", 12), ("yyyyMMddHHmmss", 14)]
)
def test_dates_have_the_form_and_the_zone_of_the_scenario(dates: str, length: int) -> None:
    utc = field(texts(one(dates=dates))[0], "done date")
    shanghai = field(texts(one(dates=dates, timezone="Asia/Shanghai"))[0], "done date")
    assert len(utc) == len(shanghai) == length
    assert utc != shanghai


def test_the_text_follows_any_template() -> None:
    client = one(
        template="Id:{id}  STAT:{stat} 100% err:{err}", spelling={"DELIVRD": "Delivered"}, errors={"DELIVRD": " 0"}
    )
    assert texts(client) == ["Id:1000  STAT:Delivered 100% err: 0"]


def test_a_receipt_may_be_told_by_tlvs_alone_or_by_text_alone() -> None:
    (bare,) = one(told_by="tlvs").deliveries
    assert bare.user_data == b""
    assert tlv(bare, Tag.RECEIPTED_MESSAGE_ID) == b"1000\0"
    (plain,) = one(told_by="text").deliveries
    assert plain.tlvs == ()
    assert plain.user_data.startswith(b"id:1000 ")


def test_receipts_come_in_data_sm_in_message_payload_and_in_ucs2() -> None:
    (data,) = one(pdu="data_sm").deliveries
    assert (data.command_id, data.source, data.destination) == (DATA_SM, "8613800000000", "Acme")
    assert data.user_data.startswith(b"id:1000 ")
    (payload,) = one(in_payload=True).deliveries
    assert tlv(payload, Tag.MESSAGE_PAYLOAD).startswith(b"id:1000 ")
    (wide,) = one(ucs2=True, template="id:{id} stat:{stat}").deliveries
    assert (wide.data_coding, wide.user_data.decode("utf-16-be")) == (8, "id:1000 stat:DELIVRD")


def test_esm_class_is_any_even_a_percent_sign() -> None:
    (receipt,) = one(esm_class=0x25).deliveries
    assert receipt.esm_class == 0x25
    assert receipt.user_data.startswith(b"id:1000 ")


def part(number: int, total: int) -> Any:
    header = bytes((5, 0, 3, 77, total, number))
    return message("", esm_class=0x40, short_message=header + b"part %d" % number)


@pytest.mark.parametrize(
    ("segments", "ids"), [("each", ["1000", "1001", "1002"]), ("first", ["1000"]), ("last", ["1002"])]
)
def test_segments_of_a_long_message_get_receipts_as_this_smsc_does_it(segments: str, ids: list[str]) -> None:
    rig = Rig(receipts={"segments": segments})
    client = rig.client()
    client.submit(part(1, 3), part(2, 3), part(3, 3))
    assert [field(text, "id") for text in texts(client)] == ids


def test_sar_parts_are_told_apart_too() -> None:
    rig = Rig(receipts={"segments": "last"})
    client = rig.client()
    for number in (1, 2):
        tlvs = (
            (Tag.SAR_MSG_REF_NUM, b"\0\x09"),
            (Tag.SAR_TOTAL_SEGMENTS, b"\x02"),
            (Tag.SAR_SEGMENT_SEQNUM, bytes((number,))),
        )
        client.submit(message("same text", tlvs=tlvs))
    assert [field(text, "id") for text in texts(client)] == ["1001"]
    assert rig.smsc.identities.repeats == 0


def test_early_receipts_overtake_the_response() -> None:
    rig = Rig(receipts={"early": 1, "delay": 5})
    client = rig.client()
    client.submit(message())
    assert len(client.deliveries) == 1
    head = client.raw.rindex(b"\x80\x00\x00\x04")
    assert client.raw.index(b"id:1000") < head


def test_loss_duplicates_and_an_enroute_first() -> None:
    assert one(loss=1).deliveries == []
    assert len(one(duplicate=1).deliveries) == 2
    states = [field(text, "stat") for text in texts(one(intermediate=1, delay=4))]
    assert states == ["ENROUTE", "DELIVRD"]


def test_reordered_receipts_come_later_than_due() -> None:
    rig = Rig(receipts={"reorder": 0.5, "reorder_s": 3, "delay": 1})
    client = rig.client()
    client.submit(*many(100))
    rig.advance(1.01)
    assert 20 < len(client.deliveries) < 80
    rig.advance(3.01)
    ids = [int(field(text, "id")) for text in texts(client)]
    assert sorted(ids) == list(range(1000, 1100))
    assert ids != sorted(ids)


def test_a_refused_receipt_is_sent_again_until_it_is_taken() -> None:
    rig = Rig(receipts={"retry_s": 5})
    client = rig.client()
    client.reply = CommandStatus.ESME_RX_T_APPN
    client.submit(message())
    rig.advance(4.9)
    assert len(client.deliveries) == 1
    rig.advance(5.2)
    assert len(client.deliveries) == 3
    client.reply = 0
    rig.advance(60)
    assert len(client.deliveries) == 4
    counters = rig.smsc.accounts["alpha"].counters
    assert (counters.sent, counters.resent, counters.acked, counters.pending) == (1, 3, 1, 0)


def test_a_final_refusal_is_final() -> None:
    rig = Rig()
    client = rig.client()
    client.reply = CommandStatus.ESME_RX_P_APPN
    client.submit(message())
    rig.advance(60)
    counters = rig.smsc.accounts["alpha"].counters
    assert (counters.sent, counters.refused, counters.pending) == (1, 1, 0)


def test_a_receipt_without_response_is_sent_again_when_the_bind_is_lost() -> None:
    rig = Rig(receipts={"retry_s": 5})
    first = rig.client()
    first.reply = None
    first.submit(*many(3))
    assert len(first.deliveries) == 3
    first.hang_up()
    second = rig.client()
    rig.advance(4.9)
    assert not second.deliveries
    rig.advance(0.2)
    assert len(second.deliveries) == 3


def test_receipts_are_kept_until_somebody_binds_and_the_oldest_go_first() -> None:
    rig = Rig(receipts={"delay": 1, "kept": 5})
    first = rig.client()
    first.submit(*many(8))
    first.hang_up()
    rig.advance(2)
    second = rig.client()
    assert [field(text, "id") for text in texts(second)] == ["1003", "1004", "1005", "1006", "1007"]
    assert rig.smsc.accounts["alpha"].counters.dropped == 3


def test_a_receipt_goes_to_a_sibling_when_asked_or_when_its_bind_is_gone() -> None:
    rig = Rig(accounts={"alpha": {}, "beta": {"receipts": {"bind": "sibling"}}}, receipts={"delay": 1})
    first, second = rig.client(), rig.client()
    first.submit(message())
    first.hang_up()
    rig.advance(2)
    assert len(second.deliveries) == 1
    one, other = rig.client("beta"), rig.client("beta")
    one.submit(*many(5))
    rig.advance(2)
    assert (len(one.deliveries), len(other.deliveries)) == (0, 5)


def test_receipts_are_spread_over_all_binds() -> None:
    rig = Rig(preset="spread")
    clients = [rig.client() for _ in range(4)]
    clients[0].submit(*many(400))
    rig.advance(2)
    assert all(60 < len(client.deliveries) < 140 for client in clients)


def test_a_slow_client_is_not_flooded() -> None:
    rig = Rig(receipts={"window": 10, "response_timeout_s": 0})
    client = rig.client()
    client.reply = None
    client.submit(*many(50))
    assert len(client.deliveries) == 10
    client.reply = 0
    held = client.session.respond([(delivery.sequence, delivery.command_id) for delivery in client.deliveries])
    client.connection.data_received(held)
    rig.pump()
    assert len(client.deliveries) == 50


def test_what_waits_for_a_frozen_bind_is_bounded_too() -> None:
    rig = Rig(receipts={"kept": 5, "delay": 1})
    client = rig.client()
    client.submit(*many(20))
    rig.smsc.faults.start("freeze", {"for_s": 10})
    rig.advance(5)
    assert len(client.connection.backlog) == 5
    rig.advance(6)
    assert len(client.deliveries) == 5
    counters = rig.smsc.accounts["alpha"].counters
    assert (counters.dropped, counters.pending) == (15, 0)
