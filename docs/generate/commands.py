"""The command line: every command with its own text and its options, as its parser has them."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator

from cli.main import COMMANDS
from docs.generate.markdown import code, page, table


def commands_page() -> str:
    about = (
        "`smpp-dispatch [--env-file FILE] COMMAND …`. Exit codes: 0 well; 2 wrong usage or configuration, told in one line;"
        " 1 anything else. Every command has `--help`; lists have `--json`."
    )
    listed = table(("command", "does"), [(f"[`{name}`](#{name})", COMMANDS[name][1]) for name in COMMANDS])
    return page("Commands", "cli/", about, listed, *(_command(name) for name in COMMANDS))


def _command(name: str) -> str:
    module = importlib.import_module(f"cli.{COMMANDS[name][0]}")
    parser = argparse.ArgumentParser(prog=name, add_help=False)
    module.arguments(parser)
    parts = [f"## {name}", f"```text\n{(module.__doc__ or '').strip()}\n```", *_options(name, parser)]
    return "\n\n".join(parts)


def _options(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    rows = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, sub in action.choices.items():
                helps = {choice.dest: choice.help for choice in action._choices_actions}
                yield f"### {name} {word}\n\n{helps.get(word) or ''}"
                yield from _options(f"{name} {word}", sub)
        elif not isinstance(action, argparse._HelpAction):
            rows.append((_name(action), action.help or ""))
    if rows:
        yield table(("argument", "what it does"), rows)


def _name(action: argparse.Action) -> str:
    if not action.option_strings:
        return code(action.metavar if isinstance(action.metavar, str) else action.dest)
    word = action.option_strings[-1]
    if action.nargs == 0:
        return code(word)
    choices = "|".join(map(str, action.choices)) if action.choices else ""
    metavar = action.metavar if isinstance(action.metavar, str) else choices or action.dest.rstrip("_").upper()
    return code(f"{word} {metavar}")
