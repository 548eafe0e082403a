"""The doctor's judgement of facts: each thing that may be wrong is told with its remedy."""

from __future__ import annotations

import base64
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from bus.inspection import OLDEST, ClusterFacts, TopicFacts
from bus.ports import Commit, TopicPartition
from bus.topics import topic_config
from cli import doctor, doctor_kafka, doctor_machine, doctor_postgres
from cli.command import Context
from cli.doctor_settings import settings_findings
from cli.findings import Finding
from cli.main import main
from dispatcher.ledger import empty_commit
from runtime.settings import load_settings
from schemas.carriers import CarrierBook
from schemas.topics import Topics
from store.inspection import ServerFacts

TODAY = 20_000
BOOK = CarrierBook.model_validate(
    {
        "carriers": {"alpha": {"host": "h", "port": 1, "system_id": "a", "password": "p", "tps": 10, "partitions": 2}},
        "routes": [{"carriers": {"alpha": 1}}],
    }
)
TOPICS = Topics("t-")
SPECS = TOPICS.all([("alpha", 2)])
GROUP, RECORDERS = TOPICS.dispatch_group("alpha"), TOPICS.recorder_group
QUEUES = [TopicPartition(TOPICS.mt("alpha", cls), partition) for cls in range(3) for partition in range(2)]
BROKER = {
    "group.min.session.timeout.ms": "1000", "group.max.session.timeout.ms": "1800000", "offsets.retention.minutes": "43200",
    "offset.metadata.max.bytes": "4096", "auto.create.topics.enable": "false", "offsets.topic.replication.factor": "1",
    "group.coordinator.append.linger.ms": "0",
}  # fmt: skip
CLUSTER = ClusterFacts(
    3.0, 1, "4.1", BROKER,
    {spec.name: TopicFacts(spec.partitions, 1, 1, topic_config(spec, 1)) for spec in SPECS},
    {GROUP: {queue: empty_commit(0) for queue in QUEUES}, RECORDERS: {}},
    {GROUP: 1, RECORDERS: 1},
)  # fmt: skip
SERVER = ServerFacts(
    2.0, "18.1", 180001, 3.0, True, True, "UTF8", 5, 50, 20_000_000, "0002", (TODAY - 1, TODAY, TODAY + 1), 2, 30
)


def of_kafka(facts: ClusterFacts, replication: int = 1) -> list[Finding]:
    given = load_settings({"SMPPD_TOPIC_PREFIX": "t-", "SMPPD_KAFKA_REPLICATION": str(replication)})
    return [each for each in doctor_kafka.judge(facts, given, BOOK, SPECS) if each.level != "ok"]


def of_postgres(facts: ServerFacts) -> list[Finding]:
    return [each for each in doctor_postgres.judge(facts, ["0001", "0002"], TODAY) if each.level != "ok"]


def changed(facts: ClusterFacts, name: str, **values: Any) -> ClusterFacts:
    """The cluster with another fact about one topic."""
    return facts._replace(topics={**facts.topics, name: facts.topics[name]._replace(**values)})


def test_a_cluster_that_is_well_has_no_findings() -> None:
    assert of_kafka(CLUSTER) == []


@pytest.mark.parametrize(
    ("setting", "value", "level", "says"),
    [
        ("group.min.session.timeout.ms", "30000", "error", "the broker allows 30000 to"),
        ("offsets.retention.minutes", "10080", "error", "more than 7 days loses the ledgers"),
        ("offset.metadata.max.bytes", "1024", "error", "a ledger may need 4096"),
        ("auto.create.topics.enable", "true", "warning", "a misspelt prefix makes new topics"),
        ("group.coordinator.append.linger.ms", "10", "note", "every commit of a ledger waits"),
    ],
)
def test_a_broker_s_setting_that_endangers_the_ledgers_is_told(setting: str, value: str, level: str, says: str) -> None:
    (finding,) = of_kafka(CLUSTER._replace(config={**BROKER, setting: value}))
    assert finding.level == level
    assert says in finding.what
    assert finding.remedy


@pytest.mark.parametrize(
    ("facts", "level", "says"),
    [
        (CLUSTER._replace(version=OLDEST), "error", "Kafka is older than 3.0"),
        (CLUSTER._replace(answered_ms=900.0), "warning", "answered in 900 ms"),
        (CLUSTER._replace(topics={}), "error", "9 of 9 topics are not there, first t-outcomes.alpha"),
        (changed(CLUSTER, "t-intake", partitions=3), "error", "t-intake has 3 partitions, it needs 8"),
        (changed(CLUSTER, "t-mo", replicas=3, in_sync=2), "warning", "t-mo has 2 of 3 replicas in sync"),
        (changed(CLUSTER, "t-reference", config={"cleanup.policy": "delete"}), "warning", "it should be compact"),
        (CLUSTER._replace(commits={GROUP: {}}), "error", "no ledger for 6 of 6 queues"),
        (CLUSTER._replace(members={GROUP: 1}), "warning", "no recorder is in its group"),
        (CLUSTER._replace(members={RECORDERS: 1}), "warning", "no dispatcher is in the group of alpha"),
    ],
)
def test_what_is_wrong_with_a_cluster_is_told_with_the_remedy(facts: ClusterFacts, level: str, says: str) -> None:
    findings = [each for each in of_kafka(facts) if says in each.what]
    assert [each.level for each in findings] == [level]


def test_a_ledger_that_can_t_be_read_is_an_error() -> None:
    commits = {**CLUSTER.commits[GROUP], QUEUES[0]: Commit(5, "9 from the future")}
    (finding,) = of_kafka(CLUSTER._replace(commits={GROUP: commits}))
    assert finding.level == "error"
    assert "ledger of version '9'" in finding.what
    assert "missing-ledger.md" in finding.remedy


def test_replicas_are_asked_for_with_three_brokers() -> None:
    wide = CLUSTER._replace(brokers=3, config={**BROKER, "offsets.topic.replication.factor": "1"})
    told = " ".join(each.what for each in of_kafka(wide))
    assert "3 brokers, and SMPPD_KAFKA_REPLICATION is 1" in told
    assert "the ledgers live there" in told
    assert any("the cluster has 1 brokers" in each.what for each in of_kafka(CLUSTER, replication=3))


def test_a_session_timeout_outside_the_broker_s_limits_is_an_error() -> None:
    (finding,) = of_kafka(CLUSTER._replace(config={**BROKER, "group.max.session.timeout.ms": "5000"}))
    assert (finding.level, "allows 1000 to 5000" in finding.what) == ("error", True)


def test_a_database_that_is_well_has_no_findings() -> None:
    assert of_postgres(SERVER) == []


@pytest.mark.parametrize(
    ("facts", "level", "says"),
    [
        (SERVER._replace(version="13.2", version_number=130002), "error", "too old"),
        (SERVER._replace(skew_ms=-2500.0), "warning", "-2.5 s off"),
        (SERVER._replace(fsync=False), "error", "fsync is off"),
        (SERVER._replace(fsync=False, full_page_writes=False), "error", "fsync and full_page_writes is off"),
        (SERVER._replace(encoding="LATIN1"), "error", "LATIN1"),
        (SERVER._replace(connections=49), "warning", "49 of 50 connections"),
        (SERVER._replace(revision=None, days=()), "error", "never migrated"),
        (SERVER._replace(revision="0001"), "error", "at revision 0001, this release has 0002"),
        (SERVER._replace(revision="0099"), "error", "which this release does not know"),
        (SERVER._replace(days=(TODAY - 1, TODAY)), "warning", "messages_20241005 is not there"),
    ],
)
def test_what_is_wrong_with_a_database_is_told(facts: ServerFacts, level: str, says: str) -> None:
    (finding,) = of_postgres(facts)
    assert (finding.level, says in finding.what) == (level, True)


KEYS = {
    "SMPPD_SEAL_KEYS": f"2:{base64.b64encode(b'k' * 32).decode()},1:{base64.b64encode(b'o' * 32).decode()}",
    "SMPPD_INDEX_KEY": base64.b64encode(b"i" * 32).decode(),
}


def test_settings_tell_what_is_missing(tmp_path: Path) -> None:
    found, settings, book = settings_findings(Context({"SMPPD_CARRIERS_FILE": str(tmp_path / "none.toml")}))
    assert settings is not None
    assert book is None
    errors = [each.what for each in found if each.level == "error"]
    assert [what.split()[0] for what in errors[:2]] == ["SMPPD_SEAL_KEYS", "SMPPD_INDEX_KEY"]
    assert "can't read" in errors[2]


def test_settings_that_can_t_be_read_end_the_examination() -> None:
    found, settings, _ = settings_findings(Context({"SMPPD_NONSENSE": "1"}))
    assert settings is None
    assert (found[0].level, "unknown setting SMPPD_NONSENSE" in found[0].what) == ("error", True)


def test_settings_tell_which_keys_there_are_and_count_the_carriers_warnings(tmp_path: Path) -> None:
    file = tmp_path / "carriers.toml"
    file.write_text('[carriers.a]\nhost = "h"\nport = 1\nsystem_id = "a"\npassword = "secret"\ntps = 1\n')
    found, _, book = settings_findings(Context({**KEYS, "SMPPD_CARRIERS_FILE": str(file), "SMPPD_INSTANCE_ID": "one"}))
    assert book is not None
    told = {each.about: each.what for each in found}
    assert told["keys"] == "seal key 2 seals, 2, 1 open"
    assert told["carriers"].endswith("1 carriers and 0 routes, and 3 warnings")


def test_few_open_files_are_a_warning() -> None:
    (finding,) = doctor_machine._of_files(1024)
    assert (finding.level, "ulimit -n" in finding.remedy) == ("warning", True)
    assert next(doctor_machine._of_files(65536)).level == "ok"


async def test_a_port_that_something_else_has_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (finding,) = await doctor_machine._of_port("HTTP", "127.0.0.1", port)
        assert (finding.level, f"sport = :{port}" in finding.remedy) == ("error", True)
    (finding,) = await doctor_machine._of_port("HTTP", "127.0.0.1", port)
    assert finding.level == "ok"
    assert await doctor_machine._of_port("METRICS", "127.0.0.1", 0) == []


async def test_a_section_that_can_t_look_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "carriers.toml"
    file.write_text('[carriers.a]\nhost = "h"\nport = 1\nsystem_id = "a"\ntps = 1\n')
    environ = {"SMPPD_CARRIERS_FILE": str(file), "SMPPD_POSTGRES_DSN": "postgresql://127.0.0.1:1/none"}
    found = await doctor.examine(Context(environ), ["postgres"])
    assert [each.level for each in found] == ["error"]
    assert "Postgres is not reachable at 127.0.0.1:1/none" in found[0].what


def test_the_exit_code_tells_whether_something_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--only", "settings", "--json"], {}) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert {each["level"] for each in told["findings"]} >= {"ok", "error"}
    assert main(["doctor", "--only", "settings", "--quiet"], {}) == 1
    assert "ok   " not in capsys.readouterr().out
