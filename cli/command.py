"""What a command is: a module of this folder with HELP, `arguments` and `run`; and the process around it.

A command module looks like this:

    HELP = "one line for the list"
    def arguments(parser: argparse.ArgumentParser) -> None: ...
    def run(args: argparse.Namespace, context: Context) -> int: ...
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from runtime.settings import Settings, load_settings


@dataclass(frozen=True)
class Context:
    """What the composition root knows: the environment, and the settings made from it (read when first asked for)."""

    environ: Mapping[str, str]
    env_file: str | None = None

    @cached_property
    def settings(self) -> Settings:
        """Raises ConfigError."""
        return load_settings(self.environ, self.env_file)


def run_async(main: Coroutine[Any, Any, int]) -> int:
    """Runs a role on uvloop and gives its exit code."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def print_json(value: Any) -> None:
    """One JSON document on stdout, for `--json`."""
    json.dump(value, sys.stdout, indent=2, default=str)
    sys.stdout.write("\n")
