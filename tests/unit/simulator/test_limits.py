"""The contract rate is counted exactly, over a window that slides."""

from __future__ import annotations

from simulator.limits import SlidingSecond
from smpp.core.constants import CommandStatus
from tests.unit.simulator.rig import Rig, many, message

THROTTLED = CommandStatus.ESME_RTHROTTLED


def test_a_second_holds_the_cap_and_no_more() -> None:
    limiter = SlidingSecond(3)
    limiter.room(10.0)
    limiter.take(10.0, 2)
    assert limiter.room(10.5) == 1
    limiter.take(10.5, 1)
    assert limiter.room(10.999) == 0


def test_the_window_slides_it_does_not_jump() -> None:
    limiter = SlidingSecond(3)
    for now, count in ((10.9, 3), (11.1, 0)):
        room = limiter.room(now)
        assert (room == 0) == (now == 11.1), "three at 10.9 are still in the second that ends at 11.1"
        limiter.take(now, count)
    assert limiter.room(11.9) == 3
    assert limiter.most == 3


def test_the_most_in_a_second_is_found_across_second_boundaries() -> None:
    limiter = SlidingSecond(None)
    for now, count in ((1.0, 5), (1.8, 7), (2.1, 6), (3.5, 8)):
        limiter.room(now)
        limiter.take(now, count)
    assert limiter.most == 13, "7 at 1.8 and 6 at 2.1"


def test_what_exceeds_the_cap_is_throttled_and_counted() -> None:
    rig = Rig(accounts={"alpha": {"tps": 10}})
    client = rig.client()
    client.submit(*many(15))
    assert client.statuses() == [0] * 10 + [THROTTLED] * 5
    account = rig.smsc.accounts["alpha"]
    assert account.counters.statuses[THROTTLED] == 5
    assert account.limiter.most == 10
    rig.advance(1.0)
    client.submit(*many(10))
    assert client.statuses()[15:] == [0] * 10


def test_all_binds_of_an_account_share_its_rate() -> None:
    rig = Rig(accounts={"alpha": {"tps": 10}, "beta": {"tps": 10}})
    first, second, other = rig.client(), rig.client(), rig.client("beta")
    first.submit(*many(6))
    second.submit(*many(6))
    other.submit(*many(6))
    assert second.statuses() == [0] * 4 + [THROTTLED] * 2
    assert other.statuses() == [0] * 6


def test_a_long_message_payload_costs_its_segments() -> None:
    rig = Rig(accounts={"alpha": {"tps": 3}})
    client = rig.client()
    client.submit(message("", tlvs=((0x0424, b"x" * 400),)), message("one more"))
    assert client.statuses() == [0, THROTTLED]


def test_refused_submits_use_no_rate() -> None:
    rig = Rig(accounts={"alpha": {"tps": 5}}, errors={"ESME_RSYSERR": 1.0})
    client = rig.client()
    client.submit(*many(20))
    assert set(client.statuses()) == {CommandStatus.ESME_RSYSERR}
    assert rig.smsc.accounts["alpha"].limiter.most == 0


def test_the_window_of_the_smsc_is_kept() -> None:
    rig = Rig(window=20, latency=0.05)
    client = rig.client()
    client.submit(*many(25))
    rig.advance(0.06)
    assert sorted(client.statuses()) == [0] * 20 + [THROTTLED] * 5
    client.submit(*many(20))
    rig.advance(0.06)
    assert client.statuses()[25:] == [0] * 20


def test_a_full_queue_is_told() -> None:
    rig = Rig(queue_limit=5, receipts={"delay": 10})
    client = rig.client()
    client.submit(*many(7))
    assert client.statuses() == [0] * 5 + [CommandStatus.ESME_RMSGQFUL] * 2
    rig.advance(10.1)
    client.submit(message())
    assert client.statuses()[-1] == 0


def test_a_session_ends_after_its_messages() -> None:
    rig = Rig(session_messages=3)
    client = rig.client()
    client.submit(*many(5))
    assert client.statuses() == [0, 0, 0]
    assert client.wire.gone == "closed"
    assert not rig.smsc.accounts["alpha"].connections
