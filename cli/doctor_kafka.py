"""Kafka: is it there, and is it what the promises rest on? Facts come from bus.inspection, the judgement is pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bus.inspection import OLDEST, ClusterFacts, TopicFacts, inspect
from bus.ports import TopicPartition
from bus.topics import topic_config
from cli.findings import Finding
from dispatcher.ledger import MOST_METADATA, LedgerError, decode
from runtime.settings import Settings
from schemas.carriers import Carrier, CarrierBook
from schemas.classes import CLASS_NAMES
from schemas.topics import RETENTION_MS, Topics, TopicSpec

SLOW_MS = 500.0
MISSING_LEDGER = "docs/runbooks/missing-ledger.md tells what to do before anything is sent twice"
_LONGEST_STOP_MINUTES = RETENTION_MS // 60_000


async def look_at_kafka(settings: Settings, book: CarrierBook) -> list[Finding]:
    """Raises UnavailableError."""
    topics = Topics(settings.topic_prefix)
    specs = topics.all((carrier.name, carrier.partitions) for carrier in book.carriers.values())
    groups = [topics.dispatch_group(name) for name in book.carriers]
    facts = await inspect(settings.kafka_bootstrap, [spec.name for spec in specs], [*groups, topics.recorder_group])
    return list(judge(facts, settings, book, specs))


def judge(facts: ClusterFacts, settings: Settings, book: CarrierBook, specs: list[TopicSpec]) -> Iterator[Finding]:
    """What is wrong with a cluster, for these settings and carriers. Pure."""
    yield from _of_cluster(facts, settings)
    yield from _of_broker(facts, settings)
    yield from _of_topics(facts, settings, specs)
    topics = Topics(settings.topic_prefix)
    for carrier in book.carriers.values():
        yield from _of_ledgers(facts, topics, carrier)
    if not facts.members.get(topics.recorder_group):
        remedy = "start `smpp-dispatch recorder`; until then nothing shows up in Postgres, and nothing is lost"
        yield Finding("warning", "kafka", "no recorder is in its group", remedy)


def _of_cluster(facts: ClusterFacts, settings: Settings) -> Iterator[Finding]:
    what = f"Kafka {facts.version} or newer, {facts.brokers} brokers, answered in {facts.answered_ms:.0f} ms"
    yield Finding("ok" if facts.answered_ms < SLOW_MS else "warning", "kafka", what)
    if facts.version == OLDEST:
        yield Finding("error", "kafka", f"Kafka is {OLDEST}", "use 3.7 or newer; the tests run with 4.x")
    if facts.brokers >= 3 and settings.kafka_replication < 3:
        what = f"{facts.brokers} brokers, and SMPPD_KAFKA_REPLICATION is {settings.kafka_replication}"
        yield Finding("warning", "kafka", what, "set it to 3: new topics then survive the loss of a broker")
    if facts.brokers < settings.kafka_replication:
        what = f"SMPPD_KAFKA_REPLICATION is {settings.kafka_replication}, the cluster has {facts.brokers} brokers"
        yield Finding("error", "kafka", what, "topics can't be created so: lower it, or add brokers")


def _of_broker(facts: ClusterFacts, settings: Settings) -> Iterator[Finding]:
    config = facts.config
    ours = settings.kafka_session_timeout_ms
    low, high = _number(config, "group.min.session.timeout.ms"), _number(config, "group.max.session.timeout.ms")
    if low is not None and high is not None:
        if not low <= ours <= high:
            what = f"SMPPD_KAFKA_SESSION_TIMEOUT_MS is {ours}, the broker allows {low} to {high}"
            yield Finding("error", "kafka", what, "set it within, or change group.min.session.timeout.ms of the broker")
        else:
            yield Finding("ok", "kafka", f"the session timeout of {ours} ms is within the broker's {low} to {high}")
    minutes = _number(config, "offsets.retention.minutes")
    if minutes is not None and minutes < _LONGEST_STOP_MINUTES:
        what = f"offsets.retention.minutes is {minutes}: a stop of more than {minutes // 1440} days loses the ledgers"
        yield Finding(
            "error", "kafka", what, f"set it to {_LONGEST_STOP_MINUTES} or more on the brokers (43200 is good)"
        )
    metadata = _number(config, "offset.metadata.max.bytes")
    if metadata is not None and metadata < MOST_METADATA:
        what = f"offset.metadata.max.bytes is {metadata}, a ledger may need {MOST_METADATA}"
        yield Finding("error", "kafka", what, f"set it to {MOST_METADATA} on the brokers")
    if config.get("auto.create.topics.enable") == "true":
        what = "auto.create.topics.enable is true: a misspelt prefix makes new topics instead of an error"
        yield Finding("warning", "kafka", what, "set it to false on the brokers")
    replicas = _number(config, "offsets.topic.replication.factor")
    if facts.brokers >= 3 and replicas is not None and replicas < 3:
        what = f"offsets.topic.replication.factor is {replicas}: the ledgers live there"
        yield Finding("error", "kafka", what, "raise it to 3, and the replicas of __consumer_offsets with it")
    linger = _number(config, "group.coordinator.append.linger.ms")
    if linger:
        what = f"group.coordinator.append.linger.ms is {linger}: every commit of a ledger waits for it"
        yield Finding("note", "kafka", what, "0 on the brokers makes commits about three times as fast")


def _of_topics(facts: ClusterFacts, settings: Settings, specs: list[TopicSpec]) -> Iterator[Finding]:
    missing = [spec.name for spec in specs if spec.name not in facts.topics]
    if missing:
        what = f"{len(missing)} of {len(specs)} topics are not there, first {missing[0]}"
        yield Finding("error", "topics", what, "run `smpp-dispatch topics`, with the same SMPPD_TOPIC_PREFIX")
    well = 0
    for spec in specs:
        known = facts.topics.get(spec.name)
        if known is not None:
            found = list(_of_topic(spec, known, settings))
            yield from found
            well += not found
    if well:
        yield Finding("ok", "topics", f"{well} topics are as they must be")


def _of_topic(spec: TopicSpec, known: TopicFacts, settings: Settings) -> Iterator[Finding]:
    if known.partitions != spec.partitions:
        what = f"{spec.name} has {known.partitions} partitions, it needs {spec.partitions}"
        remedy = "set `partitions` back to what the carrier was created with, or use another SMPPD_TOPIC_PREFIX"
        yield Finding("error", "topics", what, remedy)
    if known.replicas < settings.kafka_replication:
        what = f"{spec.name} has {known.replicas} replicas, SMPPD_KAFKA_REPLICATION is {settings.kafka_replication}"
        yield Finding("warning", "topics", what, "add replicas with kafka-reassign-partitions")
    if known.in_sync < known.replicas:
        what = f"{spec.name} has {known.in_sync} of {known.replicas} replicas in sync"
        yield Finding(
            "warning", "topics", what, "a broker is down or behind: below min.insync.replicas nothing is accepted"
        )
    for name, wanted in topic_config(spec, settings.kafka_replication).items():
        value = known.config.get(name, wanted)
        if value != wanted and not (name == "min.insync.replicas" and int(value) > int(wanted)):
            remedy = f"kafka-configs --alter --topic {spec.name} --add-config {name}={wanted}"
            yield Finding("warning", "topics", f"{spec.name} has {name}={value}, it should be {wanted}", remedy)


def _of_ledgers(facts: ClusterFacts, topics: Topics, carrier: Carrier) -> Iterator[Finding]:
    group = topics.dispatch_group(carrier.name)
    commits = facts.commits.get(group, {})
    queues = [
        TopicPartition(topics.mt(carrier.name, cls), partition)
        for cls in range(len(CLASS_NAMES))
        for partition in range(carrier.partitions)
    ]
    missing = [queue for queue in queues if queue not in commits]
    if missing:
        what = f"{group} has no ledger for {len(missing)} of {len(queues)} queues, first {missing[0].topic}[{missing[0].partition}]"
        remedy = f"`smpp-dispatch topics` makes those of a new carrier; otherwise {MISSING_LEDGER}"
        yield Finding("error", "ledgers", what, remedy)
    open_records = 0
    for queue in queues:
        if queue in commits:
            try:
                open_records += len(decode(commits[queue]).open)
            except LedgerError as fault:
                yield Finding("error", "ledgers", f"{queue.topic}[{queue.partition}]: {fault}", MISSING_LEDGER)
    workers = facts.members.get(group, 0)
    if not missing:
        what = (
            f"{carrier.name}: all {len(queues)} ledgers are there, {open_records} messages open, {workers} dispatchers"
        )
        yield Finding("ok", "ledgers", what)
    if not workers:
        yield Finding(
            "warning", "kafka", f"no dispatcher is in the group of {carrier.name}", "start `smpp-dispatch dispatcher`"
        )


def _number(config: Mapping[str, str], name: str) -> int | None:
    value = config.get(name, "")
    return int(value) if value.lstrip("-").isdigit() else None
