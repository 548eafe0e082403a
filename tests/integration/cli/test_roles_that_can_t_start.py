"""Whatever keeps a role from starting is told in one line that says how to mend it, and never as a traceback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.integration.api.rig import CARRIERS, Installation

FREE = ("--port", "0", "--http-port", "0")
ROLES = {"api": (), "dispatcher": (), "recorder": (), "scheduler": (), "simulator": FREE}
WITH_CARRIERS = ("api", "dispatcher", "recorder", "scheduler")
LIVE_ON_POSTGRES = ("recorder", "scheduler")
NOWHERE = "127.0.0.1:1"


@pytest.fixture
async def installation(kafka_bootstrap: str, topic_prefix: str, tmp_path: Path) -> Installation:
    made = Installation(kafka_bootstrap, topic_prefix, tmp_path)
    made.environ["SMPPD_METRICS_PORT"] = "0"
    return made


async def refused(
    installation: Installation, roles: Sequence[str], code: int, told: Sequence[str], **environ: str
) -> None:
    """Each of the roles ends with this exit code, and one line that has all of `told`."""
    ends = await asyncio.gather(*(installation.run(role, *ROLES[role], **environ) for role in roles))
    for role, end in zip(roles, ends, strict=True):
        check(role, end, code, told)


def check(role: str, end: tuple[int, str, str], code: int, told: Sequence[str]) -> None:
    found, out, err = end
    assert found == code, (role, out, err)
    lines = [line for line in err.splitlines() if not line.startswith("{")]  # what it logged before is JSON
    assert len(lines) == 1, (role, err)
    assert lines[0].startswith(f"smpp-dispatch {role}: "), lines
    assert [part for part in told if part not in lines[0]] == [], lines
    assert "Traceback" not in out + err


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("SMPPD_KAFKA_BOOTSTRAPS", "x", "unknown setting SMPPD_KAFKA_BOOTSTRAPS"),
        ("SMPPD_METRICS_PORT", "many", "SMPPD_METRICS_PORT is wrong"),
        ("SMPPD_LOG_LEVEL", "loud", "SMPPD_LOG_LEVEL is wrong"),
    ],
)
async def test_a_setting_that_is_wrong(installation: Installation, name: str, value: str, told: str) -> None:
    await refused(installation, list(ROLES), 2, [told], **{name: value})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[carriers.alpha\n", ("carriers.toml: not TOML", "line 1")),
        (CARRIERS.replace("system_id", "sistem_id"), ("carriers.toml:5", "sistem_id", "system_id")),
        (CARRIERS.replace("port = 2775\n", ""), ("carriers.toml:2", "port")),
        (CARRIERS.replace("tps = 500", 'tps = "fast"'), ("carriers.toml:6", "tps")),
        (CARRIERS.replace("partitions = 3", "partitions = 3\nlanes = 4"), ("carriers.toml:", "lanes", "partitions")),
        (CARRIERS.replace("{ alpha = 1 }", "{ omega = 1 }"), ("carriers.toml:", "omega")),
        (CARRIERS.replace('"alpha"', '"alpha"\npassword = "${NOT_SET_HERE}"', 1), ("NOT_SET_HERE",)),
    ],
)
async def test_a_carriers_file_that_is_wrong(installation: Installation, text: str, told: Sequence[str]) -> None:
    installation.carriers.write_text(text)
    await refused(installation, WITH_CARRIERS, 2, told)


async def test_a_carriers_file_that_is_not_there(installation: Installation) -> None:
    installation.carriers.unlink()
    await refused(installation, WITH_CARRIERS, 2, ["can't read", "SMPPD_CARRIERS_FILE"])


async def test_a_kafka_that_is_not_there(installation: Installation) -> None:
    told = [f"Kafka is not reachable at {NOWHERE}", "SMPPD_KAFKA_BOOTSTRAP"]
    await refused(installation, WITH_CARRIERS, 1, told, SMPPD_KAFKA_BOOTSTRAP=NOWHERE)


async def test_topics_that_are_not_there(installation: Installation) -> None:
    await refused(installation, WITH_CARRIERS, 2, ["the Kafka topic", "run `smpp-dispatch topics`"])


async def test_a_topic_with_other_partitions(installation: Installation) -> None:
    await installation.create_topics()
    installation.carriers.write_text(CARRIERS.replace("partitions = 3", "partitions = 6"))
    await refused(installation, WITH_CARRIERS, 2, ["has 3 partitions, it needs 6", "set `partitions` back"])


async def test_a_port_that_is_taken(installation: Installation) -> None:
    await installation.create_topics()
    code, _, err = await installation.run("topics")  # the ledgers, too
    assert code == 0, err
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        told = [f"can't listen on 127.0.0.1:{port}"]
        await refused(installation, WITH_CARRIERS, 1, [*told, "SMPPD_METRICS_PORT"], SMPPD_METRICS_PORT=port)
        await refused(installation, ["api"], 1, [*told, "SMPPD_HTTP_PORT"], SMPPD_HTTP_PORT=port)
        for words in (["--port", port, "--http-port", "0"], ["--port", "0", "--http-port", port]):
            check(
                "simulator", await installation.run("simulator", *words), 1, [f"127.0.0.1:{port}", "or choose another"]
            )


async def test_a_postgres_that_is_not_there(installation: Installation) -> None:
    """The api and the dispatcher can do without; see tests/integration/api/test_postgres_stops.py."""
    told = [f"Postgres is not reachable at {NOWHERE}", "SMPPD_POSTGRES_DSN"]
    code, _, err = await installation.run("migrate")
    assert (code, len(err.splitlines())) == (1, 1)
    assert [part for part in told if part not in err] == []
    await installation.create_topics()
    await refused(installation, LIVE_ON_POSTGRES, 1, told)


async def test_a_database_that_was_never_migrated(installation: Installation, postgres_dsn: str) -> None:
    await installation.create_topics()
    await refused(installation, LIVE_ON_POSTGRES, 2, ["run `smpp-dispatch migrate`"], SMPPD_POSTGRES_DSN=postgres_dsn)
