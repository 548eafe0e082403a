"""What auditors count from: the journal, the counters, repeats; and the wheel that everything late hangs on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import OperatorError, UnavailableError
from simulator.identities import Identities
from simulator.journal import Journal
from simulator.stats import stats
from simulator.wheel import Agenda
from smpp.core.constants import CommandStatus
from smpp.core.smsc import SmscReceived
from tests.unit.simulator.rig import Rig, many, message


def lines(path: Path, kind: str | None = None) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in found if kind is None or line["type"] == kind]


def test_the_journal_has_a_line_for_each_submit_and_receipt(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    rig = Rig(journal=str(path), errors={}, accounts={"alpha": {"tps": 1}})
    client = rig.client()
    client.submit(message("hi", tlvs=((0x1401, b"a"), (0x1401, b"b")), validity="000000010000000R"), message("no room"))
    rig.advance(0.05)
    first, second = lines(path, "submit")
    assert first == {
        "type": "submit", "at": pytest.approx(1_790_000_000, abs=1), "system_id": "alpha", "bind": 1, "sequence": 2,
        "source": "Acme", "destination": "8613800000000", "esm_class": 0, "data_coding": 0, "registered": 1,
        "validity": "000000010000000R", "short_message": "6869", "tlvs": {"0x1401": "61", "0x1401#2": "62"},
        "status": 0, "id": "1000",
    }  # fmt: skip
    assert (second["status"], second["id"]) == (CommandStatus.ESME_RTHROTTLED, "")
    sent, acked = lines(path, "receipt")
    assert (sent["event"], acked["event"]) == ("sent", "acked")
    assert [sent[key] for key in ("id", "destination", "state", "status", "again")] == [
        "1000", "8613800000000", "DELIVRD", 0, False,
    ]  # fmt: skip
    (bind,) = lines(path, "bind")
    assert (bind["system_id"], bind["mode"], bind["status"]) == ("alpha", "transceiver", 0)


def test_the_journal_is_on_disk_within_50_ms(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    rig = Rig(journal=str(path))
    client = rig.client()
    client.submit(*many(10))
    assert lines(path) == [], "gathered first"
    rig.advance(0.05)
    assert len(lines(path, "submit")) == 10
    client.submit(*many(1500))
    assert len(lines(path, "submit")) > 1000, "many lines do not wait"


def test_sessions_are_journaled_with_their_ends(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    rig = Rig(journal=str(path), accounts={"alpha": {}})
    client = rig.client()
    rig.client("stranger")
    client.unbind()
    rig.smsc.close()
    assert [(line["type"], line["bind"], line["status"]) for line in lines(path)] == [
        ("bind", 1, 0), ("bind", 0, CommandStatus.ESME_RINVSYSID), ("unbind", 1, 0), ("disconnect", 1, 0),
    ]  # fmt: skip


def test_answers_that_were_overtaken_by_the_end_are_told(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    rig = Rig(journal=str(path), latency=1)
    client = rig.client()
    client.submit(message())
    client.hang_up()
    rig.advance(1.1)
    (submit,), (unanswered,) = lines(path, "submit"), lines(path, "unanswered")
    assert submit["status"] == 0
    assert unanswered["sequence"] == submit["sequence"]


def test_a_submit_without_answer_has_status_minus_one(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    rig = Rig(journal=str(path))
    client = rig.client()
    rig.smsc.faults.start("disconnect", {"mode": "before_response"})
    client.submit(message())
    rig.advance(0.1)
    (submit,) = lines(path, "submit")
    assert (submit["status"], submit["id"]) == (-1, "1000")


def test_a_journal_that_cannot_be_written_is_an_operators_matter(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="can't write the journal"):
        Rig(journal=str(tmp_path / "no" / "such" / "folder"))
    told: list[OperatorError] = []
    journal = Journal("/dev/full", lambda: None, told.append)
    rig = Rig()
    rig.smsc.records.journal = journal
    rig.client().submit(message())
    journal.flush()
    assert "No space left" in str(told[0])


def test_a_repeat_is_a_repeat_over_any_bind_and_any_account() -> None:
    rig = Rig()
    rig.client("alpha").submit(message("a"), message("b"))
    rig.client("beta").submit(message("a"), message("a", to="4917"), message("a", esm_class=0x40))
    assert (rig.smsc.identities.distinct, rig.smsc.identities.repeats) == (4, 1)


def test_refused_submits_are_no_messages_and_vendor_tlvs_no_difference() -> None:
    rig = Rig(accounts={"alpha": {"tps": 1}})
    client = rig.client()
    client.submit(message("a"), message("b"))
    rig.advance(1.1)
    client.submit(message("a", tlvs=((0x0204, b"\0\7"),)))
    assert (rig.smsc.identities.distinct, rig.smsc.identities.repeats) == (1, 1)


def test_identities_stop_at_their_limit_and_say_so() -> None:
    identities = Identities(3)
    seen = [identities.add(hash(name)) for name in ("a", "b", "a", "c", "d", "d", "b")]
    assert seen == [False, False, True, False, False, False, True]
    assert (identities.distinct, identities.repeats, identities.full) == (3, 2, True)


def test_stats_have_the_names_of_the_contract() -> None:
    rig = Rig(seed=5, accounts={"alpha": {"tps": 3}})
    client = rig.client()
    client.submit(*many(4))
    rig.smsc.send_mo("alpha", "8613", "1069", "hello")
    rig.pump()
    told = stats(rig.smsc)
    assert (told["seed"], told["submits"], told["distinct_messages"], told["repeats"], told["throttled"], told["mo"]) == (
        5, 4, 3, 0, 1, 1,
    )  # fmt: skip
    assert told["max_1s"] == {"alpha": 3}
    assert (told["receipts"]["sent"], told["receipts"]["acked"], told["receipts"]["pending"]) == (3, 3, 0)
    assert told["binds"][0]["system_id"] == "alpha"
    assert told["faults_fired"]["freeze"] == 0
    assert json.loads(json.dumps(told)) == told


def test_the_last_submits_can_be_read_page_by_page() -> None:
    rig = Rig(keep_submits=True)
    rig.client().submit(*many(25))
    first, last = rig.smsc.records.submits_after(0, 10)
    rest, end = rig.smsc.records.submits_after(last, 100)
    assert [bytes.fromhex(line.short_message).decode() for line in first + rest] == [f"text {n}" for n in range(25)]
    assert (last, end) == (10, 25)
    assert rig.smsc.records.submits_after(end, 10) == ([], 25)


def test_long_and_foreign_mo_texts_come_in_parts() -> None:
    rig = Rig()
    client = rig.client()
    assert rig.smsc.send_mo("alpha", "8613", "1069", "短信" * 60) == 2
    rig.pump()
    one, two = client.deliveries
    assert one.user_data[:6][:3] == b"\x05\x00\x03"
    assert (one.user_data[6:] + two.user_data[6:]).decode("utf-16-be") == "短信" * 60
    assert (one.data_coding, one.esm_class) == (8, 0x40)


def test_mo_waits_for_a_bind() -> None:
    rig = Rig(accounts={"alpha": {}})
    rig.smsc.send_mo("alpha", "8613", "1069", "hello")
    client = rig.client()
    assert [delivery.user_data for delivery in client.deliveries] == [b"hello"]
    with pytest.raises(KeyError):
        rig.smsc.send_mo("beta", "8613", "1069", "hello")


def test_the_wheel_is_never_early_and_keeps_order() -> None:
    agenda = Agenda()
    drained: list[str] = []
    armed: list[float] = []
    agenda.arm = armed.append
    wheel = agenda.wheel(drained.extend)
    for due, item in ((5.0, "c"), (2.0, "a"), (2.0, "b"), (9.0, "d")):
        wheel.push(due, item)
    assert armed == [pytest.approx(5.001), pytest.approx(2.001)], "armed for what is due before all else"
    agenda.advance(2.0)
    assert drained == []
    agenda.advance(5.001)
    assert drained == ["a", "b", "c"]
    assert agenda.next_due() == pytest.approx(9.001)


def test_hostile_bytes_do_not_get_past_the_session() -> None:
    rig = Rig()
    client = rig.client()
    for data in (b"\0\0\0\x10\0\0\0\x04\0\0\0\0\0\0\0\x09", b"\0\0\0\x14\0\0\0\x04\0\0\0\0\0\0\0\x0aabcd"):
        client.connection.data_received(data)
    assert not client.wire.gone
    submits, got = client.connection.session.digest(b"\0\0\0\x08", 0.0)
    assert (submits, isinstance(got, SmscReceived)) == ([], True)
    assert rig.smsc.identities.distinct == 0
