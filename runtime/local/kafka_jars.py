"""Kafka's jars: by Maven from deploy/kafka/pom.xml, each checked against deploy/kafka/jars.sha256, kept below `.local/`.

`python -m runtime.local.kafka_jars` fetches them now; with `lock` it writes jars.sha256 anew, after a change of the pom.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from runtime.errors import UnavailableError
from runtime.local.java import java_program, maven_program
from runtime.local.places import DEPLOY, KAFKA_CACHE
from runtime.local.process import run_tool

SOURCE = DEPLOY / "kafka"
DOWNLOAD_TIMEOUT_S = 900.0
# In full: the short name would be looked up over the network each time. The version is the pom's.
GOAL = "org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies"


async def kafka_jars(cache: Path, environ: Mapping[str, str], say: Callable[[str], None]) -> Path:
    """The folder below `cache` that holds the jars; downloads them (43 MB) the first time.

    Raises UnavailableError: no Java or Maven, no network, or a jar that is not the one that jars.sha256 names.
    """
    folder = cache / f"jars-{_fingerprint()}"
    if folder.is_dir():
        return folder
    say("fetching Kafka's jars by Maven (once; 43 MB)")
    with _scratch(cache) as scratch:
        await _download(Path(scratch) / "jars", environ, say)
        _verify(Path(scratch) / "jars")
        try:
            (Path(scratch) / "jars").rename(folder)
        except OSError:
            # Somebody else was faster: theirs was verified as ours was.
            if not folder.is_dir():
                raise
    return folder


def class_path(jars: Path) -> str:
    """In a fixed order: a class-data archive is only valid for the very class path that it was made with."""
    return ":".join(str(jar) for jar in sorted(jars.glob("*.jar")))


def _scratch(cache: Path) -> tempfile.TemporaryDirectory[str]:
    cache.mkdir(parents=True, exist_ok=True)
    # Beside the final folder, so that the rename is one step; hidden from `jars-*`.
    return tempfile.TemporaryDirectory(prefix=".jars-", dir=cache)


async def _download(target: Path, environ: Mapping[str, str], say: Callable[[str], None]) -> None:
    java = await java_program(environ, say)
    maven = await maven_program(environ, say)
    # -C: a checksum that does not match fails the build. Maven must not pick another, older Java than we checked.
    command = [str(maven), "-q", "-B", "-C", "-f", str(SOURCE / "pom.xml"), GOAL]
    options = [f"-DoutputDirectory={target}", "-DincludeScope=runtime"]
    env = {**environ, "JAVA_HOME": str(java.parents[1])}
    try:
        await run_tool([*command, *options], env, DOWNLOAD_TIMEOUT_S, cwd=target.parent)
    except UnavailableError as fault:
        raise UnavailableError("Kafka's jars could not be fetched", str(fault)) from None


def _fingerprint() -> str:
    parts = [(SOURCE / name).read_bytes() for name in ("pom.xml", "jars.sha256")]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def _sums(jars: Path) -> str:
    lines = (f"{hashlib.sha256(jar.read_bytes()).hexdigest()}  {jar.name}\n" for jar in sorted(jars.glob("*.jar")))
    return "".join(lines)


def _verify(jars: Path) -> None:
    wanted, found = ((SOURCE / "jars.sha256").read_text(), _sums(jars))
    if found != wanted:
        wrong = sorted(line.split()[1] for line in set(wanted.splitlines()) ^ set(found.splitlines()))
        raise UnavailableError(
            f"Kafka's jars are not the ones of deploy/kafka/jars.sha256 ({', '.join(dict.fromkeys(wrong))})",
            "after a change of pom.xml run `.venv/bin/python -m runtime.local.kafka_jars lock`; otherwise don't use them",
        )


async def _lock(environ: Mapping[str, str]) -> None:
    scratch = Path(tempfile.mkdtemp(prefix="smppd-jars-"))
    try:
        await _download(scratch / "jars", environ, print)
        (SOURCE / "jars.sha256").write_text(_sums(scratch / "jars"))
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    if sys.argv[1:] == ["lock"]:
        asyncio.run(_lock(os.environ))
    else:
        print(asyncio.run(kafka_jars(KAFKA_CACHE, os.environ, print)))
