"""The two failures of a protocol: the stream is lost, or one PDU is refused."""

from __future__ import annotations


class ConnectionFault(Exception):
    """The byte stream can't be trusted any more: close the connection. `kind` is a stable word for metrics."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail


class PduFault(Exception):
    """This PDU is refused with `status`; the session goes on. `kind` is a stable word for metrics."""

    def __init__(self, kind: str, status: int, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.status = status
        self.detail = detail
