"""`smpp-dispatch`, and `python -m cli`: takes the compiled modules, where there are some, then runs the command line."""

from __future__ import annotations

import os
import sys

from runtime import compiled
from runtime.errors import OperatorError


def start() -> int:
    """`cli.main.main`, with compiled modules below it."""
    try:
        compiled.use(os.environ)
    except OperatorError as fault:
        print(f"smpp-dispatch: {fault}", file=sys.stderr)
        return fault.exit_code
    from cli.main import main

    return main()


if __name__ == "__main__":
    sys.exit(start())
