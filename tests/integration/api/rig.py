"""Real api processes, as an operator starts them: the command line, a carriers.toml, a real Kafka; Postgres is away."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bus.kafka_reader import KafkaReader
from bus.ports import TopicPartition
from bus.topics import create_topics
from schemas.codec import decode_mt
from schemas.records import MtMessage
from schemas.topics import Topics

ROOT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, "-m", "cli"]
START_S = 20.0
CARRIERS = """
[carriers.alpha]
host = "127.0.0.1"
port = 2775
system_id = "alpha"
tps = 500
partitions = 3
test = true

[[routes]]
carriers = { alpha = 1 }
"""
SEND = {"to": "+8613800000000", "text": "Hello", "sender": "Acme"}


class Installation:
    """Topics under `prefix`, settings and a carriers.toml in `folder`."""

    def __init__(self, bootstrap: str, prefix: str, folder: Path) -> None:
        self.bootstrap = bootstrap
        self.topics = Topics(prefix)
        self.carriers = folder / "carriers.toml"
        self.carriers.write_text(CARRIERS)
        self.environ = {
            "PATH": os.defpath,
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "SMPPD_KAFKA_BOOTSTRAP": bootstrap,
            "SMPPD_TOPIC_PREFIX": prefix,
            "SMPPD_CARRIERS_FILE": str(self.carriers),
            "SMPPD_POSTGRES_DSN": "postgresql://127.0.0.1:1/nobody",
            "SMPPD_HTTP_PORT": "0",
            "SMPPD_SEAL_KEYS": f"1:{base64.b64encode(b's' * 32).decode()}",
            "SMPPD_INDEX_KEY": base64.b64encode(b"i" * 32).decode(),
        }

    async def create_topics(self) -> None:
        await create_topics(self.bootstrap, self.topics.all([("alpha", 3)]), 1)

    async def run(self, *words: str, **environ: str) -> tuple[int, str, str]:
        """A command to its end: exit code, stdout, stderr."""
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *words,
            env={**self.environ, **environ},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(START_S):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        return process.returncode or 0, out.decode(), err.decode()

    async def migrate(self, dsn: str) -> None:
        """Gives the installation a database."""
        self.environ["SMPPD_POSTGRES_DSN"] = dsn
        code, _, err = await self.run("migrate")
        assert code == 0, err

    async def key(self, *words: str) -> str:
        """The secret of a new key."""
        code, out, err = await self.run("keys", "create", "--account", "shop", *words)
        assert code == 0, err
        return out.strip()

    @asynccontextmanager
    async def process(self, *words: str, **environ: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """A role that runs; ended by SIGTERM."""
        process = await asyncio.create_subprocess_exec(
            *COMMAND, *words, env={**self.environ, **environ}, stdout=asyncio.subprocess.PIPE
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                try:
                    async with asyncio.timeout(START_S):
                        await process.wait()
                except TimeoutError:
                    process.kill()

    @asynccontextmanager
    async def api(self, **environ: str) -> AsyncIterator[Api]:
        """An api that is ready."""
        async with self.process("api", "--json-ready", **environ) as process:
            assert process.stdout is not None
            async with asyncio.timeout(START_S):
                line = await process.stdout.readline()
            assert line, "the process ended before it was ready"
            yield Api(json.loads(line)["http"], process)

    async def published(self) -> list[MtMessage]:
        """Every message in every queue."""
        places = [TopicPartition(self.topics.mt("alpha", cls), p) for cls in range(3) for p in range(3)]
        reader = KafkaReader(self.bootstrap, "test")
        await reader.start(dict.fromkeys(places, 0))
        found: list[MtMessage] = []
        try:
            missing = sum((await reader.ends(places)).values())
            while len(found) < missing:
                for records in (await reader.poll(1.0, 10_000)).values():
                    found += [decode_mt(record.value) for record in records if record.value is not None]
        finally:
            await reader.stop()
        return found


@dataclass
class Api:
    """A running process."""

    url: str
    process: asyncio.subprocess.Process

    def client(self, secret: str, **options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, headers={"Authorization": f"Bearer {secret}"}, **options)
