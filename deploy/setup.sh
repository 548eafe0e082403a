#!/usr/bin/env bash
# `make setup`: .venv with exactly what requirements.lock names, and this project in it. The one argument is the stamp
# file that says so when all is done. Safe to interrupt: a virtual environment left half made is made anew.
set -euo pipefail
cd "$(dirname "$0")/.."
stamp=$1
started=$SECONDS

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# The lock file was made with 3.11; the others have to do where that is missing. Run, not just found: pyenv has
# names on PATH for versions that it will not start. Of several builds of a version the fastest: pyenv's takes 1.4 to 1.8
# times as long as Debian's for work with objects (measured).
find_python() {
  local name path seconds best best_s
  for name in ${PYTHON:-} python3.11 python3.12 python3.13 python3.14 python3; do
    best='' best_s=''
    for path in $(type -aP "$name"); do
      seconds=$("$path" -c "$TRIAL" 2>/dev/null) || continue
      if [ -z "$best" ] || [ "$seconds" -lt "$best_s" ]; then
        best=$path best_s=$seconds
      fi
    done
    if [ -n "$best" ]; then
      echo "$best"
      return
    fi
  done
  return 1
}

# Microseconds that a little work takes, best of thirty: objects, dictionaries and calls, since builds that are equal in a
# bare loop are not in these, and the machine may be busy. Fails where Python is too old.
TRIAL='
import sys, timeit
assert sys.version_info >= (3, 11)
work = """
class Item:
    __slots__ = ("number", "name", "seen")
    def __init__(self, number, name):
        self.number, self.name, self.seen = number, name, []
    def see(self, other):
        self.seen.append(other)
        return self.number + other
def run():
    items = {}
    for number in range(2000):
        item = Item(number, str(number))
        items[item.name] = item
        item.see(number)
    return sum(item.number for item in items.values())
"""
print(round(1e6 * min(timeit.repeat("run()", work, number=3, repeat=30))))'

# True once the Debian packages are installed; false where that is not ours to do.
apt_install() {
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    return 1
  fi
  say "installing $* with apt-get"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq -o DPkg::Lock::Timeout=120 update &&
    apt-get -qq -y -o DPkg::Lock::Timeout=120 --no-install-recommends install "$@" >/dev/null
}

make_venv() {
  local python version
  python=$(find_python) || { apt_install python3 python3-venv && python=$(find_python); } ||
    fail "Python 3.11 or newer is needed, and none was found: install python3 (3.11+) and python3-venv, or set PYTHON=/path/to/python"
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  # Debian keeps venv's other half, ensurepip, in a package of its own.
  "$python" -c 'import ensurepip, venv' 2>/dev/null || apt_install "python$version-venv" ||
    fail "$python has no venv module: install the package python$version-venv"
  say "making .venv with Python $version"
  rm -rf .venv
  "$python" -m venv .venv
}

# Two at once (a test run beside a demo) would install over each other.
mkdir -p .local
if command -v flock >/dev/null; then
  exec 9>.local/setup.lock
  flock 9
fi
[ ! -e "$stamp" ] || exit 0

if [ -e .venv/.installing ] || ! .venv/bin/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  make_venv
fi
say "installing what requirements.lock names (once; about a minute)"
touch .venv/.installing
pip() { .venv/bin/python -m pip --disable-pip-version-check --no-input --quiet "$@"; }
pip install --require-hashes -r requirements.lock
# Quiet about what an editable install is: it is what we want here.
PYTHONWARNINGS=ignore pip install --no-deps --no-build-isolation --editable .
rm -f .venv/.installed-* .venv/.installing
touch "$stamp"
say "done in $((SECONDS - started)) s"
