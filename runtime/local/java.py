"""Java 17 or newer and Maven: found on the machine, or installed where that is ours to do (root on Debian)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from runtime.errors import UnavailableError
from runtime.local.process import run_tool

# Kafka 4 brokers refuse anything older.
OLDEST_JAVA = 17
JVM_ROOT = Path("/usr/lib/jvm")
INSTALL_TIMEOUT_S = 600.0
# Debian 12 has the first, Debian 13 only the second; what `default-jre` means is too old on some.
JAVA_PACKAGES = ("openjdk-17-jre-headless", "openjdk-21-jre-headless")
# `JAVA_VERSION="17.0.15"` in a release file, `openjdk version "17.0.15"` from the program; Java 8 calls itself 1.8.
_VERSION = re.compile(r'^(?:JAVA_VERSION=|\w+ version )"(?:1\.)?(\d+)', re.MULTILINE)

REMEDY = (
    "install Java 17 or newer and Maven (Debian: apt-get install openjdk-17-jre-headless maven); or use a Kafka of your "
    "own with SMPPD_KAFKA_BOOTSTRAP=host:port (deploy/compose.yaml starts one)"
)


async def java_program(environ: Mapping[str, str], say: Callable[[str], None]) -> Path:
    """The `java` to use. Raises UnavailableError when there is none and we may not install it."""
    found = find_java(environ)
    if found is None and await _install(JAVA_PACKAGES, environ, say):
        found = find_java(environ)
    if found is None:
        raise UnavailableError("Kafka needs Java 17 or newer, and none was found", REMEDY)
    return found


async def maven_program(environ: Mapping[str, str], say: Callable[[str], None]) -> Path:
    """The `mvn` to use. Raises UnavailableError when there is none and we may not install it."""
    found = _on_path("mvn", environ)
    if found is None and await _install(("maven",), environ, say):
        found = _on_path("mvn", environ)
    if found is None:
        raise UnavailableError("Kafka's jars come by Maven, and there is no `mvn`", REMEDY)
    return found


def find_java(environ: Mapping[str, str], jvm_root: Path = JVM_ROOT) -> Path | None:
    """The first that is new enough: JAVA_HOME's, the one on PATH, else the newest below /usr/lib/jvm."""
    named = [Path(home) / "bin" / "java"] if (home := environ.get("JAVA_HOME")) else []
    named += [found] if (found := _on_path("java", environ)) else []
    for java in named:
        if java_version(java) >= OLDEST_JAVA:
            return java.resolve()
    installed = sorted(jvm_root.glob("*/bin/java"), key=java_version)
    return installed[-1].resolve() if installed and java_version(installed[-1]) >= OLDEST_JAVA else None


def java_version(java: Path) -> int:
    """The major version; 0 when it can't be told.

    From the `release` file beside every JDK and JRE; a shim (asdf, jenv) has none and is asked, which takes 50 ms.
    """
    if not os.access(java, os.X_OK):
        return 0
    try:
        text = (java.resolve().parents[1] / "release").read_text(errors="replace")
    except (OSError, IndexError):
        text = _said_version(java)
    found = _VERSION.search(text)
    return int(found.group(1)) if found else 0


def _said_version(java: Path) -> str:
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stderr


def _on_path(name: str, environ: Mapping[str, str]) -> Path | None:
    found = shutil.which(name, path=environ.get("PATH", os.defpath))
    return Path(found) if found else None


async def _install(packages: tuple[str, ...], environ: Mapping[str, str], say: Callable[[str], None]) -> bool:
    """Installs the first of the packages that Debian offers. False when this is not our machine to change."""
    apt = _on_path("apt-get", environ)
    if apt is None or os.geteuid() != 0:
        return False
    env = {**environ, "DEBIAN_FRONTEND": "noninteractive"}
    # Another apt-get (a second session's set-up) is waited for, not failed on.
    wait = ["-o", "DPkg::Lock::Timeout=120", "-q"]
    await run_tool([str(apt), *wait, "update"], env, INSTALL_TIMEOUT_S)
    for package in packages:
        say(f"installing {package} with apt-get (once; about half a minute)")
        try:
            await run_tool(
                [str(apt), *wait, "install", "-y", "--no-install-recommends", package], env, INSTALL_TIMEOUT_S
            )
        except UnavailableError as fault:
            say(f"no {package} here: {str(fault).splitlines()[-1]}")
            continue
        return True
    return False
