"""Failures that end a process with one line for a person: what is wrong, and what to do."""

from __future__ import annotations


class OperatorError(Exception):
    """Something that whoever runs the command can mend. Shown as one line, never as a traceback."""

    exit_code = 1

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(f"{what}: {remedy}" if remedy else what)


class ConfigError(OperatorError):
    """Wrong usage or configuration: exit code 2."""

    exit_code = 2


class UnavailableError(OperatorError):
    """Kafka, Postgres, a port or a file is not to be had: exit code 1."""
