"""Each fault does what its sentence says, to whom it concerns, for as long as it lasts, and counts that it did."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.fault_kinds import KINDS
from smpp.core.constants import CommandStatus
from tests.unit.simulator.rig import Client, Rig, many, message


def begin(rig: Rig, name: str, **options: Any) -> str:
    fault_id = rig.smsc.faults.start(name, options).id
    rig.pump()
    return fault_id


def fired(rig: Rig, name: str) -> int:
    return rig.smsc.faults.fired[name]


def bound(**scenario: Any) -> tuple[Rig, Client]:
    rig = Rig(**scenario)
    return rig, rig.client()


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("throttle", CommandStatus.ESME_RTHROTTLED),
        ("queue_full", CommandStatus.ESME_RMSGQFUL),
        ("error", CommandStatus.ESME_RSYSERR),
        ("generic_nack", CommandStatus.ESME_RINVCMDID),
    ],
)
def test_refusing_faults_refuse_while_they_last(name: str, status: int) -> None:
    rig, client = bound()
    begin(rig, name, for_s=10)
    client.submit(message())
    rig.advance(10.1)
    client.submit(message())
    assert client.statuses() == [status, 0]
    assert fired(rig, name) == 1
    assert rig.smsc.identities.distinct == 1


def test_error_takes_any_status_by_name_or_number() -> None:
    rig, client = bound()
    for status in ("ESME_RINVDSTADR", "0x401", 1025):
        fault = begin(rig, "error", status=status)
        client.submit(message())
        rig.smsc.faults.stop(fault)
    assert client.statuses() == [CommandStatus.ESME_RINVDSTADR, 0x401, 1025]


def test_a_rate_hits_that_share() -> None:
    rig, client = bound()
    begin(rig, "throttle", rate=0.3)
    client.submit(*many(2000))
    throttled = client.statuses().count(CommandStatus.ESME_RTHROTTLED)
    assert 500 < throttled < 700
    assert fired(rig, "throttle") == throttled


def test_only_what_matches_is_hit() -> None:
    rig, client = bound()
    begin(rig, "error", match={"prefix": "+86"})
    begin(rig, "queue_full", match={"text": "sto+p", "source": "Acme"})
    client.submit(message(to="8613"), message(to="+8613"), message(to="49170"), message("please stooop", to="49170"))
    assert client.statuses() == [
        CommandStatus.ESME_RSYSERR, CommandStatus.ESME_RSYSERR, 0, CommandStatus.ESME_RMSGQFUL,
    ]  # fmt: skip


def test_ucs2_texts_are_searched_too() -> None:
    rig, client = bound()
    begin(rig, "error", match={"text": "验证"})
    client.submit(message("", data_coding=8, short_message="您的验证码".encode("utf-16-be")))
    assert client.statuses() == [CommandStatus.ESME_RSYSERR]


def test_a_carriers_fault_is_nobody_elses() -> None:
    rig = Rig()
    alpha, beta = rig.client("alpha"), rig.client("beta")
    begin(rig, "error", carrier="alpha")
    for client in (alpha, beta):
        client.submit(message())
    late = rig.client("alpha")
    late.submit(message())
    assert (alpha.statuses(), beta.statuses(), late.statuses()) == ([8], [0], [8])


def test_times_ends_a_fault() -> None:
    rig, client = bound()
    begin(rig, "throttle", times=2)
    client.submit(*many(5))
    rig.advance(0.01)
    assert client.statuses() == [0x58, 0x58, 0, 0, 0]
    assert not rig.smsc.faults.active


def test_deleting_ends_a_fault_once() -> None:
    rig, client = bound()
    fault = begin(rig, "error")
    assert rig.smsc.faults.stop(fault)
    assert not rig.smsc.faults.stop(fault)
    client.submit(message())
    assert client.statuses() == [0]


def test_silence_accepts_and_never_answers_but_the_receipt_comes() -> None:
    rig, client = bound()
    begin(rig, "silence")
    client.submit(message())
    rig.advance(300)
    assert client.answers == []
    assert len(client.deliveries) == 1
    assert rig.smsc.accounts["alpha"].counters.unanswered == 1


@pytest.mark.parametrize(("name", "delay_s"), [("slow", 3), ("late_response", 70)])
def test_slow_answers_come_after_their_delay(name: str, delay_s: float) -> None:
    rig, client = bound()
    begin(rig, name, delay_s=delay_s)
    client.submit(message())
    rig.advance(delay_s - 0.01)
    assert client.answers == []
    rig.advance(0.02)
    assert client.statuses() == [0]


def test_disconnect_before_the_response_loses_the_answer_of_an_accepted_submit() -> None:
    rig, client = bound()
    begin(rig, "disconnect", mode="before_response", match={"text": "text 2"})
    client.submit(*many(5))
    assert client.statuses() == [0, 0]
    assert client.wire.gone == "closed"
    counters = rig.smsc.accounts["alpha"].counters
    assert (counters.accepted, counters.unanswered) == (3, 1), "what came after it was never read"
    again = rig.client()
    rig.advance(10)
    assert len({delivery.user_data for delivery in client.deliveries + again.deliveries}) == 3
    assert fired(rig, "disconnect") == 1


def test_disconnect_after_the_response_delivers_it_first() -> None:
    rig, client = bound()
    begin(rig, "disconnect", mode="after_response")
    client.submit(message())
    assert client.statuses() == [0]
    assert client.wire.gone == "closed"
    rig.advance(0.01)
    other = rig.client()
    other.submit(message())
    assert other.connected, "it closes one connection, unless told otherwise"


def test_disconnect_now_drops_all_binds_at_once() -> None:
    rig = Rig()
    clients = [rig.client(), rig.client()]
    begin(rig, "disconnect")
    rig.advance(0.01)
    assert [client.wire.gone for client in clients] == ["aborted", "aborted"]
    assert fired(rig, "disconnect") == 2
    assert not rig.smsc.faults.active


def test_a_frozen_bind_neither_reads_nor_writes_and_loses_nothing() -> None:
    rig, client = bound(latency=0.5, receipts={"delay": 1})
    client.submit(message())
    begin(rig, "freeze", for_s=5)
    rig.advance(4.9)
    assert [client.is_read, client.connected] == [False, True]
    assert (client.answers, client.deliveries) == ([], [])
    meanwhile = rig.client()
    assert [meanwhile.bound] == [False]
    rig.advance(0.2)
    assert [client.is_read, client.connected] == [True, True]
    assert (client.statuses(), len(client.deliveries)) == ([0], 1)
    assert [meanwhile.bound] == [True]
    assert fired(rig, "freeze") == 2


def test_outage_closes_everything_and_shuts_the_port_until_it_ends() -> None:
    class Doors:
        def __init__(self) -> None:
            self.seen: list[str] = []

        def shut(self) -> None:
            self.seen.append("shut")

        def open(self) -> None:
            self.seen.append("open")

    rig, client = bound()
    doors = rig.smsc.doors = Doors()
    begin(rig, "outage", for_s=3)
    begin(rig, "outage", for_s=5)
    assert client.wire.gone == "aborted"
    rig.advance(4)
    assert doors.seen == ["shut", "shut"], "the other outage still lasts"
    rig.advance(2)
    assert doors.seen == ["shut", "shut", "open"]


def test_an_outage_of_one_carrier_leaves_the_others_alone() -> None:
    rig = Rig()
    alpha, beta = rig.client("alpha"), rig.client("beta")
    begin(rig, "outage", carrier="alpha", for_s=3)
    assert (alpha.wire.gone, beta.wire.gone) == ("aborted", "")
    refused = rig.client("alpha")
    assert (refused.bound, refused.wire.gone) == (False, "aborted")
    rig.advance(3.1)
    assert rig.client("alpha").bound


def test_binds_are_refused_with_any_status() -> None:
    rig, client = bound()
    begin(rig, "refuse_binds", status="ESME_RINVPASWD")
    assert rig.client().refusal == CommandStatus.ESME_RINVPASWD
    client.submit(message())
    assert client.statuses() == [0], "who is in stays in"


def test_the_smsc_can_unbind() -> None:
    rig, client = bound()
    begin(rig, "unbind")
    assert "peer_unbind" in [note.kind for note in client.notes]
    assert client.wire.gone == "closed"


@pytest.mark.parametrize("mode", ["length", "short", "random"])
def test_garbage_puts_the_stream_out_of_step(mode: str) -> None:
    rig, client = bound()
    faults = []
    receive = client.session.receive

    def spy(data: bytes, now: float) -> Any:
        got = receive(data, now)
        faults.append(got.fault)
        return got

    client.session.receive = spy  # type: ignore[method-assign]  # the one place where a client's fault is looked at
    begin(rig, "garbage", mode=mode)
    assert [fault.kind for fault in faults if fault] == ["bad_length"]


def test_any_bytes_can_be_sent() -> None:
    rig, client = bound()
    begin(rig, "garbage", mode="bytes", bytes="0000001080000004000000000000002a")
    assert [note.kind for note in client.notes] == ["bound", "unexpected_response"]


def test_dribbled_pdus_arrive_whole_in_the_end() -> None:
    rig, client = bound()
    begin(rig, "dribble", for_s=2)
    client.submit(message())
    rig.advance(0.005)
    assert client.answers == []
    rig.advance(1)
    assert client.statuses() == [0]
    assert len(client.deliveries) == 1


def test_an_empty_id_is_an_acceptance() -> None:
    rig, client = bound()
    begin(rig, "empty_id")
    client.submit(message())
    assert (client.statuses(), client.ids()) == ([0], [""])


def test_a_nack_may_not_say_what_it_means() -> None:
    rig, client = bound()
    begin(rig, "generic_nack", zero_sequence=True)
    client.submit(message())
    assert client.answers == []
    assert "nack_unmatched" in [note.kind for note in client.notes]


def test_receipts_are_lost_doubled_and_shuffled() -> None:
    rig, client = bound()
    fault = begin(rig, "receipt_loss")
    client.submit(*many(3))
    assert client.deliveries == []
    rig.smsc.faults.stop(fault)
    fault = begin(rig, "receipt_duplicate")
    client.submit(*many(3))
    assert len(client.deliveries) == 6
    rig.smsc.faults.stop(fault)
    begin(rig, "receipt_reorder", delay_s=2)
    client.submit(*many(50))
    rig.advance(2.1)
    late = [delivery.user_data for delivery in client.deliveries[6:]]
    assert len(late) == 50
    assert late != sorted(late)
    assert rig.smsc.accounts["alpha"].counters.pending == 0


@pytest.mark.parametrize("ids", ["invented", "recent"])
def test_a_flood_comes_through_the_window(ids: str) -> None:
    rig, client = bound(keep_submits=True, receipts={"window": 100, "delay": 600})
    client.submit(*many(3))
    begin(rig, "receipt_flood", count=5000, ids=ids)
    rig.advance(5)
    assert len(client.deliveries) == 5000
    known = {f"id:{identity} ".encode() for identity in client.ids()}
    assert all(delivery.user_data.startswith(tuple(known)) for delivery in client.deliveries) == (ids == "recent")
    counters = rig.smsc.accounts["alpha"].counters
    assert (counters.flood, counters.acked, counters.pending) == (5000, 5000, 3)
    assert not rig.smsc.faults.active


def test_every_fault_begins_and_ends_without_any_bind() -> None:
    rig = Rig()
    for name in KINDS:
        fault = rig.smsc.faults.start(name, {"for_s": 1})
        assert fault.sentence.endswith(".")
    rig.advance(1.1)
    rig.smsc.faults.stop("receipt_flood-19")
    assert [fault.name for fault in rig.smsc.faults.active.values()] == []


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("freez", {}, "did you mean freeze"),
        ("error", {"status": "ESME_RWHAT"}, "status: 'ESME_RWHAT' is no command_status"),
        ("error", {"rate": 2}, "rate: "),
        ("slow", {"delay": 2}, "delay: Extra inputs are not permitted"),
        ("error", {"match": {"text": "("}}, "match.text: '(' is no regular expression"),
        ("garbage", {"mode": "bytes", "bytes": "xyz"}, "bytes: not hex"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(name: str, options: dict[str, Any], said: str) -> None:
    rig = Rig()
    with pytest.raises((KeyError, ValueError)) as refused:
        rig.smsc.faults.start(name, options)
    assert said in str(refused.value.args[0])
    assert not rig.smsc.faults.active
