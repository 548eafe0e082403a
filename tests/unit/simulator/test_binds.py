"""Who is let in, and what each kind of bind may do."""

from __future__ import annotations

import pytest

from simulator.housekeeping import Housekeeping
from smpp.core.constants import Command, CommandStatus
from tests.unit.simulator.rig import Rig, message

ACCOUNTS = {"alpha": {"password": "secret", "max_binds": 2}}


@pytest.mark.parametrize(
    ("system_id", "password", "status"),
    [
        ("alpha", "wrong", CommandStatus.ESME_RINVPASWD),
        ("nobody", "secret", CommandStatus.ESME_RINVSYSID),
    ],
)
def test_strangers_are_refused_and_disconnected(system_id: str, password: str, status: int) -> None:
    rig = Rig(accounts=ACCOUNTS)
    client = rig.client(system_id, password)
    assert client.refusal == status
    assert client.wire.gone == "closed"
    assert not rig.smsc.connections


def test_without_accounts_anyone_is_let_in() -> None:
    assert Rig().client("whoever", "any").bound


def test_a_third_bind_is_one_too_many_until_one_goes() -> None:
    rig = Rig(accounts=ACCOUNTS)
    first, second = rig.client(), rig.client()
    assert first.bound
    assert second.bound
    assert rig.client().refusal == CommandStatus.ESME_RALYBND
    first.hang_up()
    assert rig.client().bound


def test_the_status_for_too_many_binds_is_an_option() -> None:
    rig = Rig(accounts={"alpha": {"max_binds": 0, "too_many_binds_status": "ESME_RBINDFAIL"}})
    assert rig.client().refusal == CommandStatus.ESME_RBINDFAIL


def test_a_mode_that_the_contract_does_not_have_is_refused() -> None:
    rig = Rig(bind_modes=["transmitter", "receiver"])
    assert rig.client().refusal == CommandStatus.ESME_RBINDFAIL
    assert rig.client(command=Command.BIND_RECEIVER).bound


def test_a_receiver_may_not_submit() -> None:
    rig = Rig()
    client = rig.client(command=Command.BIND_RECEIVER)
    client.submit(message())
    assert client.statuses() == [CommandStatus.ESME_RINVBNDSTS]
    assert rig.smsc.identities.distinct == 0


def test_receipts_of_a_transmitter_come_to_the_receiver() -> None:
    rig = Rig()
    sender = rig.client(command=Command.BIND_TRANSMITTER)
    receiver = rig.client(command=Command.BIND_RECEIVER)
    sender.submit(message())
    assert not sender.deliveries
    assert len(receiver.deliveries) == 1


def test_unbind_is_answered_and_closed() -> None:
    rig = Rig()
    client = rig.client()
    client.unbind()
    assert [note.kind for note in client.notes] == ["bound", "unbound"]
    assert client.wire.gone == "closed"


def test_a_broken_stream_is_closed() -> None:
    rig = Rig()
    client = rig.client()
    client.connection.data_received(b"\x80\x00\x00\x09" + bytes(12))
    assert client.wire.gone == "closed"
    assert rig.smsc.accounts["alpha"].counters.notes["bad_length"] == 1


def test_housekeeping_drops_who_is_idle_who_never_binds_and_who_is_dead() -> None:
    rig = Rig(accounts={"idle": {"idle_drop_s": 300, "enquire_link_s": 0}, "alpha": {"enquire_link_s": 60}})
    Housekeeping(rig.smsc).start()
    idle, live = rig.client("idle"), rig.client()
    rig.advance(299)
    assert idle.connected
    rig.advance(2)
    assert idle.wire.gone == "closed"
    assert live.connected, "it answered each enquire_link"
    rig.clients.remove(live)
    rig.advance(200)
    assert live.wire.gone == "aborted"


def test_handsets_write_unasked_at_their_rate() -> None:
    rig = Rig(mo={"per_s": 4, "text": "hi"})
    Housekeeping(rig.smsc).start()
    client = rig.client()
    rig.advance(5.1)
    assert [delivery.user_data for delivery in client.deliveries] == [b"hi"] * 20


def test_a_delivery_that_nobody_answers_is_sent_again_on_a_live_bind() -> None:
    rig = Rig(receipts={"response_timeout_s": 10, "retry_s": 1})
    Housekeeping(rig.smsc).start()
    client = rig.client()
    client.reply = None
    client.submit(message())
    rig.advance(9)
    assert len(client.deliveries) == 1
    client.reply = 0
    rig.advance(40)
    assert len(client.deliveries) == 2
    counters = rig.smsc.accounts["alpha"].counters
    assert (counters.sent, counters.resent, counters.acked, counters.pending) == (1, 1, 1, 0)
