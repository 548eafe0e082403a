"""Kafka and Postgres for one run: the ones given, or our own below a folder, side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from runtime.local.kafka import KafkaServer
from runtime.local.places import KAFKA_CACHE, LOCAL
from runtime.local.postgres import PostgresServer
from runtime.local.process import Child
from runtime.local.server import LocalServer


class Backing:
    """Where Kafka and Postgres are, whoever runs them.

    `kafka_bootstrap` and `postgres_dsn` (SMPPD_KAFKA_BOOTSTRAP, SMPPD_POSTGRES_DSN) name servers that are there already;
    None starts our own. `environ` is what Java and Maven are looked for in.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        home: Path = LOCAL,
        kafka_bootstrap: str | None = None,
        postgres_dsn: str | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        logs = home / "logs"
        self._given_bootstrap, self._given_dsn = kafka_bootstrap, postgres_dsn
        self.kafka = (
            None if kafka_bootstrap else KafkaServer(home / "kafka", logs / "kafka.log", KAFKA_CACHE, environ, say)
        )
        self.postgres = None if postgres_dsn else PostgresServer(home / "postgres", logs / "postgres.log", say)

    @property
    def kafka_bootstrap(self) -> str:
        return self.kafka.bootstrap if self.kafka is not None else self._given_bootstrap or ""

    @property
    def postgres_dsn(self) -> str:
        """Raises RuntimeError before `prepare` when it is our own."""
        return self.postgres.dsn if self.postgres is not None else self._given_dsn or ""

    async def prepare(self) -> list[Child]:
        """Our own servers, for `Supervisor.start`; both are prepared at the same time. Raises UnavailableError."""
        ours: list[LocalServer] = [server for server in (self.kafka, self.postgres) if server is not None]
        prepared = await asyncio.gather(*(server.prepare() for server in ours), return_exceptions=True)
        children = [child for child in prepared if isinstance(child, Child)]
        for fault in prepared:
            if isinstance(fault, BaseException):
                self.close()
                raise fault
        return children

    def close(self) -> None:
        """Gives the directories back, once the supervisor has stopped the servers."""
        for server in (self.kafka, self.postgres):
            if server is not None:
                server.close()
