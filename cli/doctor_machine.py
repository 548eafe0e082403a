"""This machine: disk, open files, clock, ports, Java."""

from __future__ import annotations

import asyncio
import resource
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx

from cli.findings import Finding
from runtime import compiled
from runtime.health import config_socket
from runtime.local.java import OLDEST_JAVA, find_java, java_version
from runtime.settings import Settings

FEW_FILES = 4096
LITTLE_BYTES = 5 << 30
NO_BYTES = 500 << 20
_2025_S = 1_735_689_600
_2100_S = 4_102_444_800


async def machine_findings(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    return [
        *_of_disk(settings),
        *_of_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        *(await _of_clock()),
        *(await _of_port("HTTP", settings.http_host, settings.http_port)),
        *(await _of_port("METRICS", settings.metrics_host, settings.metrics_port)),
        *_of_java(environ),
        _of_compiled(),
    ]


def _of_disk(settings: Settings) -> Iterator[Finding]:
    folders = {Path.cwd(), Path(settings.write_log).resolve().parent if settings.write_log else Path.cwd()}
    for folder in sorted(each for each in folders if each.is_dir()):
        usage = shutil.disk_usage(folder)
        told = f"{usage.free / 1e9:.1f} GB of {usage.total / 1e9:.1f} are free at {folder}"
        if usage.free < NO_BYTES:
            yield Finding("error", "disk", told, "docs/runbooks/disk-full.md")
        elif usage.free < LITTLE_BYTES:
            yield Finding(
                "warning", "disk", told, "make room before a role, Kafka or Postgres stops; docs/runbooks/disk-full.md"
            )
        else:
            yield Finding("ok", "disk", told)


def _of_files(soft: int) -> Iterator[Finding]:
    if soft != resource.RLIM_INFINITY and soft < FEW_FILES:
        remedy = f"ulimit -n {FEW_FILES * 4}; LimitNOFILE= in a systemd unit, ulimits in compose"
        yield Finding("warning", "files", f"a process may open {soft} files and sockets", remedy)
    else:
        yield Finding("ok", "files", f"a process may open {soft} files and sockets")


async def _of_clock() -> list[Finding]:
    if not _2025_S < time.time() < _2100_S:
        now = time.strftime("%Y-%m-%d", time.gmtime())
        return [
            Finding("error", "clock", f"this machine believes it is {now}", "set its clock: ids and times come from it")
        ]
    synchronized = await _synchronized()
    if synchronized is False:
        return [Finding("warning", "clock", "the clock is not synchronised", "run chrony, ntpd or systemd-timesyncd")]
    told = (
        "the clock is synchronised"
        if synchronized
        else "the clock is plausible; whether it is synchronised is not known"
    )
    return [Finding("ok", "clock", told)]


async def _synchronized() -> bool | None:
    """What systemd says; None where there is none to ask (containers)."""
    program = shutil.which("timedatectl")
    if program is None:
        return None
    process = await asyncio.create_subprocess_exec(
        program,
        "show",
        "-p",
        "NTPSynchronized",
        "--value",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(3):
            out, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    return {b"yes": True, b"no": False}.get(out.strip())


async def _of_port(name: str, host: str, port: int) -> list[Finding]:
    where = f"SMPPD_{name}_PORT {port} on {host}"
    if port == 0:
        return []
    try:
        config_socket(host, port).close()
    except OSError as fault:
        return [await _who_listens(where, host, port, fault)]
    return [Finding("ok", "ports", f"{where} is free")]


async def _who_listens(where: str, host: str, port: int, fault: OSError) -> Finding:
    try:
        async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
            answer = await client.get(f"http://{host if ':' not in host else f'[{host}]'}:{port}/livez")
        if answer.text.strip() == "alive":
            return Finding("ok", "ports", f"{where}: a role of ours listens there")
    except (httpx.HTTPError, ValueError):
        pass
    remedy = f"stop what uses it (ss -ltnp 'sport = :{port}' tells), or choose another"
    return Finding("error", "ports", f"{where} can't be used ({fault.strerror})", remedy)


def _of_java(environ: Mapping[str, str]) -> Iterator[Finding]:
    java = find_java(environ)
    if java is None:
        remedy = f"only `dev`, `make demo` and the tests need Java {OLDEST_JAVA}: they run a Kafka of their own"
        yield Finding("note", "java", f"no Java {OLDEST_JAVA} or newer was found", remedy)
    else:
        yield Finding("ok", "java", f"Java {java_version(java)} at {java} (for `dev` only)")


def _of_compiled() -> Finding:
    if compiled.state.startswith("yes"):
        return Finding("ok", "compiled", "the hot modules run compiled")
    fault = compiled.unfit(compiled.ROOT) or compiled.state
    return Finding(
        "note", "compiled", f"the hot modules run as Python, in 1.1 to 1.6 times the CPU: {fault}", compiled.REMEDY
    )
