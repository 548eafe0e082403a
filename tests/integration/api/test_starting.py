"""What keeps an api from starting is told in one line that says how to mend it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.integration.api.rig import Installation


@pytest.fixture
async def installation(kafka_bootstrap: str, topic_prefix: str, tmp_path: Path) -> Installation:
    return Installation(kafka_bootstrap, topic_prefix, tmp_path)


async def refused(installation: Installation, code: int, *told: str, **environ: str) -> None:
    found, out, err = await installation.run("api", **environ)
    assert found == code, err
    assert out == ""
    assert len(err.splitlines()) == 1, err
    assert err.startswith("smpp-dispatch api: ")
    for part in told:
        assert part in err


async def test_missing_keys(installation: Installation) -> None:
    await refused(installation, 2, "SMPPD_SEAL_KEYS is not set", "keys generate", SMPPD_SEAL_KEYS="")
    await refused(installation, 2, "SMPPD_INDEX_KEY is not set", "keys generate", SMPPD_INDEX_KEY="")


async def test_a_carriers_file_that_is_wrong_or_missing(installation: Installation) -> None:
    installation.carriers.write_text("[carriers.alpha]\nhots = 1\n")
    await refused(installation, 2, "carriers.toml:2", "hots")
    installation.carriers.unlink()
    await refused(installation, 2, "can't read", "SMPPD_CARRIERS_FILE")


async def test_kafka_that_is_not_there(installation: Installation) -> None:
    await refused(
        installation,
        1,
        "Kafka is not reachable at 127.0.0.1:1",
        "SMPPD_KAFKA_BOOTSTRAP",
        SMPPD_KAFKA_BOOTSTRAP="127.0.0.1:1",
    )


async def test_topics_that_are_not_there(installation: Installation) -> None:
    await refused(installation, 2, "the Kafka topic", "smpp-dispatch topics")


async def test_a_port_that_is_taken(installation: Installation) -> None:
    await installation.create_topics()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        await refused(installation, 1, f"can't listen on 127.0.0.1:{port}", "SMPPD_HTTP_PORT", SMPPD_HTTP_PORT=port)
        await refused(installation, 1, f"127.0.0.1:{port}", "SMPPD_METRICS_PORT", SMPPD_METRICS_PORT=port)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["create", "--account", "Shop"], "--account Shop is wrong"),
        (["create", "--account", "shop", "--scopes", "fly"], "no scope is called 'fly'"),
        (["revoke", "k00", "--reason", "x"], "no key has the id k00"),
    ],
)
async def test_a_keys_command_that_is_wrong(installation: Installation, words: list[str], told: str) -> None:
    await installation.create_topics()
    code, _, err = await installation.run("keys", *words)
    assert (code, len(err.splitlines())) == (2, 1)
    assert told in err
