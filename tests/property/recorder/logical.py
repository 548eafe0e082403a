"""What a projection says, apart from how it came to say it: for comparing two of them."""

from __future__ import annotations

from typing import Any

from store import timeline

_LIKE_IT_OR_NOT = ("rev", "timeline", "entries", "smsc_ids")


def messages(rows: dict[bytes, dict[str, Any]]) -> dict[bytes, dict[str, Any]]:
    """Messages without what depends on the order of learning: the timeline as a set, submits named by what they are."""
    return {id: _message(row) for id, row in rows.items()}


def _message(row: dict[str, Any]) -> dict[str, Any]:
    entries = timeline.unpack(row["timeline"], row["entries"])
    shown = {name: value for name, value in row.items() if name not in _LIKE_IT_OR_NOT}
    shown["timeline"] = sorted(_named(entry, entries) for entry in entries)
    shown["smsc_ids"] = sorted((row["smsc_ids"] or "").split("\x1f"))
    return shown


def _sends(entries: list[timeline.Entry]) -> list[timeline.Entry]:
    return [entry for entry in entries if entry[0] in (timeline.SENT, timeline.REFUSED)]


def _named(entry: timeline.Entry, entries: list[timeline.Entry]) -> str:
    if entry[0] == timeline.RECEIPT:
        send = _sends(entries)[entry[2]]
        entry = (*entry[:2], send[1:7], *entry[3:])
    return repr(entry)


def submissions(rows: list[dict[str, Any]], messages: dict[bytes, dict[str, Any]]) -> list[str]:
    """Submissions with their submit named by what it is."""
    found = []
    for row in rows:
        message = messages[row["id"]]
        send = _sends(timeline.unpack(message["timeline"], message["entries"]))[row["send"]]
        found.append(repr({**row, "send": send[1:7]}))
    return sorted(found)
