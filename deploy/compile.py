"""`make compile`: the hot modules through mypyc into _compiled/, where `smpp-dispatch` takes them from (runtime/compiled.py).

    python deploy/compile.py [--into DIR] [--force]

Which modules: [tool.smpp-dispatch] in pyproject.toml. Without a C compiler or Python's headers it says so and ends with 0: all
works without, in more CPU. Safe to interrupt: what is half made is never looked at.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HERE))

from runtime import compiled  # noqa: E402 - run as a script, from anywhere

MODULES: list[str] = tomllib.loads((HERE / "pyproject.toml").read_text())["tool"]["smpp-dispatch"]["compiled"]
# They import nothing of ours but these.
ROOMS = [
    "api",
    "bus",
    "dispatcher",
    "load",
    "policy",
    "ratelimit",
    "recorder",
    "runtime",
    "schemas",
    "simulator",
    "smpp",
    "store",
]
_INSIDE = "--inside"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = "where the rooms are that will use it, if not here: site-packages"
    parser.add_argument("--into", type=Path, default=HERE, metavar="DIR", help=where)
    parser.add_argument("--force", action="store_true", help="also when it is up to date")
    args = parser.parse_args()
    root = args.into.resolve()
    with Path(__file__).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two `make` at once: the second finds the work done
        return 0 if not args.force and not compiled.unfit(root) else _compile(root)


def _compile(root: Path) -> int:
    fault = _missing()
    if fault:
        print(f"compile: left out, {fault}. All works without, in 1.1 to 1.6 times the CPU.", file=sys.stderr)
        return 0
    print(f"compile: {len(MODULES)} modules (once for these sources; about 90 s on two cores)", flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=".compiling-", dir=root) as folder:
        _put(_build(Path(folder)), root / compiled.PLACE)
    print(f"compile: done in {time.monotonic() - started:.0f} s", flush=True)
    return 0


def _missing() -> str:
    try:
        import mypyc.build  # noqa: F401 - a tool of developers and of the image's build
    except ImportError:
        return "mypyc is not installed (it comes with mypy, which requirements.lock names)"
    compiler = sysconfig.get_config_var("CC") or "cc"
    if shutil.which(compiler.split()[0]) is None:
        return f"there is no C compiler ({compiler.split()[0]}): install gcc"
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        return "Python's headers are missing: install python3-dev"
    return ""


def _build(folder: Path) -> Path:
    """Made in a process of its own, whose output is shown only when it fails: mypyc and gcc say much that nobody needs."""
    # Before, so that what is edited meanwhile is not taken for compiled.
    stamp = {"suffix": sysconfig.get_config_var("EXT_SUFFIX"), "rooms": ROOMS, "sources": compiled.digest(HERE, ROOMS)}
    words = [sys.executable, __file__, _INSIDE, str(folder)]
    ended = subprocess.run(words, cwd=HERE, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{ended.stdout[-6000:]}{ended.stderr[-6000:]}\ncompile: failed; nothing was changed")
    (folder / "made" / compiled.STAMP).write_text(json.dumps(stamp))
    return folder / "made"


def _put(made: Path, place: Path) -> None:
    # Processes that run keep the files that they have mapped.
    if place.exists():
        place.rename(made.with_name("old"))
    made.rename(place)


def _inside(folder: Path) -> None:
    from mypyc.build import mypycify
    from setuptools import setup
    from setuptools.command.build_ext import build_ext

    class Parallel(build_ext):  # type: ignore[misc]
        """One gcc a core: setuptools would compile the files of an extension one by one."""

        def build_extensions(self) -> None:
            one = self.compiler.compile

            def compile_all(sources: list[str], **how: Any) -> list[str]:
                with ThreadPoolExecutor(os.cpu_count()) as pool:
                    return [name for names in pool.map(lambda source: one([source], **how), sources) for name in names]

            self.compiler.compile = compile_all
            super().build_extensions()

    # A cache of its own: mypyc looks at the same files in another way than `make check`.
    options = ["--config-file", "pyproject.toml", "--cache-dir", str(folder / "types")]
    generated = str(folder / "c")
    extensions = mypycify([*options, *MODULES], opt_level="2", debug_level="0", multi_file=True, target_dir=generated)
    steps = ["build_ext", "--build-lib", str(folder / "made"), "--build-temp", str(folder / "objects")]
    setup(name="hot", packages=[], ext_modules=extensions, cmdclass={"build_ext": Parallel}, script_args=steps)


if __name__ == "__main__":
    if sys.argv[1:2] == [_INSIDE]:
        _inside(Path(sys.argv[2]))
    else:
        sys.exit(main())
