"""Routes follow carriers.toml and the switches while the process runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from api.following import KafkaWatch, Routes
from bus.memory import MemoryReader
from runtime.errors import ConfigError
from schemas.codec import encode
from schemas.records import CarrierSwitch
from tests.unit.api.stage import ACT, TOPICS, Stage

FILE = """
[carriers.{name}]
host = "h"
port = 1
system_id = "a"
tps = 100
[[routes]]
prefix = "86"
carriers = {{ {name} = 1 }}
"""


class Follower:
    """A stage with a carriers.toml; topics are there unless the test says otherwise."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stage = Stage()
        self.path = folder / "carriers.toml"
        self.missing = False
        self.write("alpha")
        monkeypatch.setattr("api.following.check_topics", self._check)
        self.routes = Routes(self.stage.services, str(self.path), {}, TOPICS, "")

    async def _check(self, *_: object) -> None:
        if self.missing:
            raise ConfigError("the Kafka topic is not there")

    def write(self, name: str, text: str = FILE) -> None:
        self.path.write_text(text.format(name=name))
        os.utime(self.path, ns=(1, self.path.stat().st_mtime_ns + 1_000_000))

    async def carrier(self) -> str:
        await self.routes.look()
        return str((await self.stage.send()).json().get("carrier"))


@pytest.fixture
def follower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Follower:
    return Follower(tmp_path, monkeypatch)


async def test_a_changed_file_is_taken_over(follower: Follower) -> None:
    assert await follower.carrier() == "alpha"
    follower.write("gamma")
    assert await follower.carrier() == "gamma"
    assert list(follower.stage.services.carriers.carriers) == ["gamma"]


async def test_a_wrong_file_changes_nothing_until_it_is_mended(follower: Follower) -> None:
    follower.write("gamma", "not = toml = at all")
    assert await follower.carrier() == "alpha"
    follower.write("gamma")
    assert await follower.carrier() == "gamma"


async def test_a_carrier_without_topics_has_to_wait_for_them(follower: Follower) -> None:
    follower.missing = True
    follower.write("gamma")
    assert await follower.carrier() == "alpha"
    follower.missing = False
    assert await follower.carrier() == "alpha", "it is not asked at every look"
    follower.stage.clock.advance(11)
    assert await follower.carrier() == "gamma"


async def test_a_draining_carrier_gets_nothing_new_until_its_switch_ends(follower: Follower) -> None:
    stage = follower.stage
    until_ms = stage.clock.wall_ms() + 60_000
    stage.book.apply(b"carrier/alpha", encode(CarrierSwitch(ACT, "alpha", "draining", until_ms=until_ms)))
    assert await follower.carrier() == "beta"
    stage.clock.advance(61)
    assert await follower.carrier() == "alpha"


async def test_a_paused_carrier_gets_messages_for_its_queue(follower: Follower) -> None:
    follower.stage.book.apply(b"carrier/alpha", encode(CarrierSwitch(ACT, "alpha", "paused")))
    assert await follower.carrier() == "alpha"


async def test_a_kafka_that_does_not_answer_is_noticed_while_nobody_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    watch = KafkaWatch(MemoryReader(stage.cluster), TOPICS.reference)
    await watch.ask()
    assert watch.fault is None
    stage.cluster.logs.clear()
    await watch.ask()
    assert watch.fault is not None
