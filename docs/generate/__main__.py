"""`python -m docs.generate`: writes the reference pages that differ from the definitions. `--check`: only tells, exit 1."""

from __future__ import annotations

import argparse
import sys

from docs.generate.pages import differing, write


def main() -> int:
    parser = argparse.ArgumentParser("python -m docs.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page differs")
    if parser.parse_args().check:
        names = differing()
        for name in names:
            print(
                f"docs/reference/{name} is not what the definitions say: run `python -m docs.generate`", file=sys.stderr
            )
        return 1 if names else 0
    for name in write():
        print(f"wrote docs/reference/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
