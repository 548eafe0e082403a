"""`smpp-dispatch COMMAND`: parses, runs the command's module, turns failures into one line and an exit code."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence

from cli.command import Context
from runtime.errors import OperatorError

# Command → its module in this folder. Only the module of the command that is run gets imported.
COMMANDS: dict[str, tuple[str, str]] = {
    "api": ("api", "take messages by HTTP, answer what became of them"),
    "dispatcher": ("dispatcher", "own lanes: submit over SMPP, publish outcomes and receipts"),
    "recorder": ("recorder", "project Kafka into Postgres: messages, receipts, doubts, the audit log"),
    "scheduler": ("scheduler", "release what is due: scheduled sends, retries, held messages"),
    "migrate": ("migrate", "bring the database's schema up to this release"),
    "keys": ("keys", "make, list and revoke API keys; generate sealing keys"),
    "load": ("load", "send messages as fast as asked, and measure what comes out"),
    "dev": ("dev", "everything on this machine, with simulated carriers"),
    "topics": ("topics", "create the Kafka topics and the empty ledgers"),
    "simulator": ("simulator", "an SMSC with the faults of a real one"),
    "carriers": ("carriers", "check carriers.toml, list binds, probe a carrier"),
    "messages": ("messages", "what became of messages, straight from Postgres"),
    "in-doubt": ("in_doubt", "list messages that may or may not have been sent, and decide about them"),
    "dead-letters": ("dead_letters", "records that could not be read"),
    "top": ("top", "carriers, lanes, rates and queues, live in the terminal"),
    "doctor": ("doctor", "say what is wrong with the installation, and how to mend it"),
}

DESCRIPTION = "SMS over HTTP in, Kafka in the middle, SMPP out."
EPILOG = "Settings are SMPPD_… variables (or --env-file); `smpp-dispatch COMMAND --help` tells more of one command."


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command line, without the commands' own arguments."""
    parser = argparse.ArgumentParser("smpp-dispatch", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument(
        "--env-file", metavar="FILE", help="read SMPPD_… lines from FILE; the environment overrides them"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (_, sentence) in COMMANDS.items():
        commands.add_parser(name, help=sentence, description=sentence, add_help=False)
    return parser


def _env_file(words: list[str]) -> tuple[str | None, list[str]]:
    """`--env-file FILE` and the other words: people write it before the command, behind it, or behind its action."""
    parser = argparse.ArgumentParser("smpp-dispatch", add_help=False, allow_abbrev=False)
    parser.add_argument("--env-file", metavar="FILE")
    known, rest = parser.parse_known_args(words)
    return known.env_file, rest


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Exit code 0 well, 2 wrong usage or configuration (one line), 1 anything else."""
    env_file, words = _env_file(list(sys.argv[1:] if argv is None else argv))
    known, rest = build_parser().parse_known_args(words)
    module = importlib.import_module(f"cli.{COMMANDS[known.command][0]}")
    own = argparse.ArgumentParser(
        f"smpp-dispatch {known.command}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.arguments(own)
    args = own.parse_args(rest)
    context = Context(os.environ if environ is None else environ, env_file)
    try:
        return int(module.run(args, context))
    except OperatorError as fault:
        print(f"smpp-dispatch {known.command}: {fault}", file=sys.stderr)
        return fault.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader of our output went away (`| head`); the interpreter must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
