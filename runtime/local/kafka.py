"""A real Apache Kafka (KRaft, one node that is broker and controller) on 127.0.0.1."""

from __future__ import annotations

import base64
import hashlib
import os
import signal
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from string import Template

from runtime.local.checks import kafka_ready
from runtime.local.java import java_program
from runtime.local.kafka_jars import SOURCE, class_path, kafka_jars
from runtime.local.ports import HOST, free_ports
from runtime.local.process import Child, run_tool
from runtime.local.server import LocalServer

FORMAT_TIMEOUT_S = 60.0
READY_TIMEOUT_S = 60.0
# The first clean stop also writes the class-data archive, 2 to 3 s.
STOP_BUDGET_S = 20.0

# Measured on 2 cores with OpenJDK 17 (start to first metadata answer; memory idle; broker CPU for 1.2 million records of
# 300 bytes in batches of 150, from a cold start): G1 2.2 s, 224 MB; Serial 2.2 s, 226 MB, 5.6 s; Serial and C1 only
# 1.9 s, 204 MB, 2.9 s. With the archive 0.9 s, 165 MB. C2 costs more CPU to compile than it gains in a local broker's life.
JVM_FLAGS = (
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    # A broker that can't allocate must end and be restarted, not limp on.
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    # slf4j-simple: one line an event on stderr, with the time.
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
    # 300 lines of settings at each start, and the same once more for each listener.
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config=warn",
)


class KafkaServer(LocalServer):
    """Kafka over `home`. `cache` holds what many servers share: the jars, and the JVM's class-data archive."""

    def __init__(
        self, home: Path, log: Path, cache: Path, environ: Mapping[str, str], say: Callable[[str], None] = print
    ) -> None:
        super().__init__(home, log, say)
        self._cache = cache
        self._environ = environ
        self._port, self._controller_port = free_ports(2)

    @property
    def bootstrap(self) -> str:
        """`host:port`, known before the server is up."""
        return f"{HOST}:{self._port}"

    async def _prepare(self) -> Child:
        java = await java_program(self._environ, self._say)
        jars = await kafka_jars(self._cache, self._environ, self._say)
        config = self.home / "server.properties"
        data = self.home / "data"
        config.write_text(self._config(data))
        archive = _archive(self._cache, java, jars)
        if not (data / "meta.properties").exists():
            await self._format(java, jars, config, archive)
        command = [str(java), *JVM_FLAGS, *_archive_flags(archive), "-cp", class_path(jars), "kafka.Kafka", str(config)]
        return Child(
            name="kafka",
            argv=command,
            env={"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": str(self.home)},
            log=self.log,
            ready=kafka_ready(self._port),
            ready_timeout_s=READY_TIMEOUT_S,
            stop_signal=signal.SIGTERM,
            stop_budget_s=STOP_BUDGET_S,
            cwd=self.home,
            keep_fds=(self._lock.fd,),
        )

    def _config(self, data: Path) -> str:
        template = Template((SOURCE / "server.properties").read_text())
        return template.substitute(host=HOST, port=self._port, controller_port=self._controller_port, data=data)

    async def _format(self, java: Path, jars: Path, config: Path, archive: Path) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # With the archive too when there is one (0.6 s rather than 0.9), but this run must not write it.
        flags = _archive_flags(archive) if _is_whole(archive) else []
        # In one word: an id may begin with a dash, which alone would be taken for an option.
        tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "--config", str(config)]
        command = [str(java), *JVM_FLAGS, *flags, "-cp", class_path(jars), *tool]
        # `--ignore-formatted`: a format that was interrupted is finished.
        await run_tool([*command, "--ignore-formatted"], {"PATH": os.defpath}, FORMAT_TIMEOUT_S, cwd=self.home)


def _archive(cache: Path, java: Path, jars: Path) -> Path:
    """Where the class-data archive of this JVM and these jars belongs."""
    jvm = f"{java}:{java.stat().st_mtime_ns}:{jars}"
    return cache / f"{jars.name}-{hashlib.sha256(jvm.encode()).hexdigest()[:8]}.jsa"


def _archive_flags(archive: Path) -> list[str]:
    """Uses the archive, or has the JVM write it when it ends. The JVM itself ignores one that does not fit."""
    return [f"-XX:{'SharedArchiveFile' if _is_whole(archive) else 'ArchiveClassesAtExit'}={archive}"]


def _is_whole(archive: Path) -> bool:
    # The JVM writes the header last: one that was cut short, by kill -9 for example, starts with zeros.
    try:
        with archive.open("rb") as file:
            return any(file.read(4))
    except OSError:
        return False
