"""Faults of connections: frozen, refused, ended, or written to what a client must survive."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field, field_validator

from simulator.connection import Connection
from simulator.faults import AdmittingFault, Fault, FaultOptions
from simulator.scenario import Status
from smpp.core.constants import DELIVER_SM, CommandStatus
from smpp.core.pdu import HEADER

CLOSE_SILENTLY: Final = -1


class Freeze(AdmittingFault):
    """Also for those that bind meanwhile: they are let in and hear nothing."""

    sentence = "Binds neither read nor write: their TCP windows close. They go on when it ends."

    def begin(self) -> None:
        self._frozen: list[Connection] = []
        for connection in self.connections():
            self._freeze(connection)

    def admit(self, connection: Connection) -> int | None:
        self._freeze(connection)
        return None

    def end(self) -> None:
        for connection in self._frozen:
            connection.thaw()

    def _freeze(self, connection: Connection) -> None:
        connection.freeze()
        self._frozen.append(connection)
        self.fire()


class RefuseOptions(FaultOptions):
    status: Status = int(CommandStatus.ESME_RBINDFAIL)


class RefuseBinds(AdmittingFault):
    sentence = "Binds are refused with status; those that are up stay."
    Options = RefuseOptions

    def admit(self, connection: Connection) -> int | None:
        return int(self.options.status) if self.strikes() else None


class Outage(AdmittingFault):
    """For one carrier the port stays open to the others: its binds are closed without a word."""

    sentence = "All connections are closed, new ones refused."

    def begin(self) -> None:
        if self.options.carrier is None:
            self.smsc.doors.shut()
        for connection in self.connections():
            connection.abort("fault outage")
        self.fire()

    def admit(self, connection: Connection) -> int | None:
        self.fire()
        return CLOSE_SILENTLY

    def end(self) -> None:
        if not any(
            isinstance(fault, Outage) and fault.options.carrier is None for fault in self.smsc.faults.active.values()
        ):
            self.smsc.doors.open()


class Unbind(Fault):
    sentence = "The SMSC unbinds."
    momentary = True

    def begin(self) -> None:
        for connection in self.connections():
            if connection.mode:
                connection.unbind()
                self.fire()


class GarbageOptions(FaultOptions):
    mode: Literal["length", "short", "random", "unknown_command", "bytes"] = Field(
        default="length",
        description="A desynchronised stream, a length below 16, noise, a strange command_id, or `bytes`.",
    )
    bytes: str = Field(
        default="", max_length=200_000, description="In hex, for mode bytes: any PDU that you can think of."
    )

    @field_validator("bytes")
    @classmethod
    def _in_hex(cls, text: str) -> str:
        try:
            bytes.fromhex(text)
        except ValueError:
            raise ValueError("not hex") from None
        return text


class Garbage(Fault):
    sentence = "Something that a client must survive is written into the stream, once."
    Options = GarbageOptions
    momentary = True

    def begin(self) -> None:
        for connection in self.connections():
            connection.write(self._noise())
            self.fire()

    def _noise(self) -> bytes:
        match self.options.mode:
            case "length":
                return HEADER.pack(0x80000009, DELIVER_SM, 0, 1) + bytes(16)
            case "short":
                return HEADER.pack(8, DELIVER_SM, 0, 1)
            case "unknown_command":
                return HEADER.pack(16, 0x00011111, 0, 1)
            case "random":
                return b"\xff" + self._luck.randbytes(255)
            case _:
                return bytes.fromhex(self.options.bytes)


class DribbleOptions(FaultOptions):
    bytes_per_ms: int = Field(default=1, ge=1, le=10_000)


class Dribble(Fault):
    sentence = "What is written goes out in drops: PDUs arrive byte by byte."
    Options = DribbleOptions

    def begin(self) -> None:
        self._slowed = self.connections()
        self._over = False
        for connection in self._slowed:
            connection.dribbling = True
            self.fire()
        self._drip()

    def end(self) -> None:
        self._over = True
        for connection in self._slowed:
            connection.dribbling = False
            connection.release()

    def _drip(self) -> None:
        if self._over:
            return
        for connection in self._slowed:
            connection.dribble(self.options.bytes_per_ms)
        self.smsc.after(0.001, self._drip)
