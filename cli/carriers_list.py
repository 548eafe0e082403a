"""Carriers as their lanes told last: carriers.toml, the operators' switches and the `carrier-status` topic, side by side."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from api.reference import ReferenceBook
from api.status import StatusBoard
from bus.ports import StoredRecord
from cli.columns import columns
from cli.reference import read_reference
from cli.topic_reading import read_topic
from runtime.clock import SystemClock
from runtime.settings import Settings
from schemas.carriers import CarrierBook
from schemas.classes import CLASS_NAMES
from schemas.topics import Topics

SILENT_S: Final = 95.0
"""A dispatcher says an unchanged status again every 30 s: three of these missed, and nobody speaks for the lane."""


class LaneBoard:
    """The api's board, and when each lane was last spoken for."""

    def __init__(self) -> None:
        self._board = StatusBoard(SystemClock())
        self._told_ms: dict[str, int] = {}

    def apply(self, records: Iterable[StoredRecord]) -> None:
        for record in records:
            if record.key is not None:
                self._board.apply(record.key, record.value)
                self._told_ms[record.key.decode(errors="replace")] = record.timestamp

    def view(self, carriers: CarrierBook, switches: ReferenceBook, now_ms: int) -> list[dict[str, Any]]:
        """As GET /v1/carriers answers, and `heard_s` for each lane; a lane that nobody speaks for any more is `silent`."""
        shown: list[dict[str, Any]] = self._board.view(carriers, switches, now_ms).model_dump(by_alias=True)["data"]
        for carrier in shown:
            for lane in carrier["lanes"]:
                told = self._told_ms.get(f"{carrier['name']}/{lane['lane']}")
                lane["heard_s"] = None if told is None else round(max(0, now_ms - told) / 1000, 1)
                if lane["heard_s"] is not None and lane["heard_s"] > SILENT_S:
                    lane["state"] = "silent"
                    lane["detail"] = f"no dispatcher has said anything for {lane['heard_s']:.0f} s"
            carrier["binds_up"] = sum(lane["state"] in ("bound", "throttled", "paused") for lane in carrier["lanes"])
        return shown


async def carriers_now(settings: Settings, carriers: CarrierBook) -> list[dict[str, Any]]:
    """All carriers of the file. Raises UnavailableError without Kafka, ConfigError without its topics."""
    board = LaneBoard()
    board.apply(await read_topic(settings, Topics(settings.topic_prefix).carrier_status))
    switches = await read_reference(settings)
    return board.view(carriers, switches, SystemClock.wall_ms())


def as_text(carriers: list[dict[str, Any]]) -> str:
    """A line a lane."""
    header = (
        "CARRIER",
        "LANE",
        "STATE",
        "TPS",
        *(name.upper() for name in CLASS_NAMES),
        "HEARD_S",
        "INSTANCE",
        "DETAIL",
    )
    rows = []
    for carrier in carriers:
        switched = "" if carrier["state"] == "active" else f" ({carrier['state']})"
        for lane in carrier["lanes"]:
            queued = (lane["queued"][name] for name in CLASS_NAMES)
            rows.append(
                (
                    carrier["name"] + switched, lane["lane"], lane["state"], lane["rate_tps"], *queued, lane["heard_s"],
                    lane["instance"], lane["detail"],
                )
            )  # fmt: skip
    return columns(header, rows)
