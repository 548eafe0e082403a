"""What `smpp-dispatch dev` tells a person once everything is up: where it is, and what to type."""

from __future__ import annotations

import os
from pathlib import Path
from shlex import quote
from urllib.parse import urlsplit, urlunsplit

from dev.roles import program
from dev.up import ACCOUNT, Cluster


def told(cluster: Cluster) -> str:
    """Addresses, key, and lines that work when pasted."""
    place = cluster.installation
    rows = [("api", f"{url}   docs at {url}/docs") for url in cluster.api_urls]
    rows.append(("key", f"{cluster.key}   (account {ACCOUNT})"))
    if cluster.plan.carriers_file is None:
        url = cluster.control_url
        rows.append(("simulator", f"{url}   SMPP on 127.0.0.1:{place.port('smpp')}, docs at {url}/docs"))
    rows += [
        ("carriers", shown(cluster.plan.carriers_file or place.carriers)),
        ("Kafka", cluster.backing.kafka_bootstrap),
        ("Postgres", without_password(cluster.backing.postgres_dsn)),
        ("logs", f"{shown(place.logs)}/"),
        ("env", f"{shown(place.env_file)}   (passwords and keys are in it)"),
    ]
    rows += [(f"{name}", url) for name, url in cluster.metrics_urls.items()]
    table = "\n".join(f"  {name:<14} {value}" for name, value in rows)
    return f"\nup after {cluster.started_s:.1f} s\n\n{table}\n\n{_lines(cluster)}\n\nCtrl-C stops everything.\n"


def _lines(cluster: Cluster) -> str:
    return f"Send one:\n\n{curl(cluster)}\n\nSend many, and watch:\n\n{load_line(cluster)}"


def curl(cluster: Cluster) -> str:
    """A request that is answered 202."""
    body = '{"to":"+8613800000000","text":"Hello","class":"otp","sender":"Acme"}'
    return (
        f"  curl -sS {cluster.api_urls[0]}/v1/messages -H 'Authorization: Bearer {cluster.key}' \\\n"
        f"    -H 'Content-Type: application/json' -d '{body}'"
    )


def load_line(cluster: Cluster) -> str:
    """The load tool against this installation."""
    words = [*map(quote, shown_program()), "--env-file", quote(shown(cluster.installation.env_file)), "load"]
    words += ["--count", "10000", "--wait-final", "60"]
    if len(cluster.api_urls) > 1:
        words += [f"--url {url}" for url in cluster.api_urls]
    words += [f"--metrics {url}" for name, url in cluster.metrics_urls.items() if name.startswith("recorder")]
    if cluster.plan.carriers_file is None:
        words.append(f"--simulator {cluster.control_url}")
    return f"  {' '.join(words)}"


def shown_program() -> list[str]:
    """How to call us from here."""
    first, *rest = program()
    return [shown(Path(first)), *rest]


def shown(path: Path) -> str:
    """A path as one would type it from the current folder."""
    try:
        return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
    except OSError:
        return str(path)


def without_password(dsn: str) -> str:
    """A DSN that may be seen on a screen."""
    parts = urlsplit(dsn)
    host = parts.netloc.rpartition("@")[2]
    user = parts.username
    return urlunsplit(parts._replace(netloc=f"{user}@{host}" if user else host))
