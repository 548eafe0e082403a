"""SMPP 3.4 without I/O: bytes and `now` go in, events and bytes come out. Sees no socket, task or clock.

Fields of PDUs and transitions of sessions are tables. Two failures are told apart: `ConnectionFault` (the stream can't be
trusted any more: close) and `PduFault` (refuse this PDU, stay up).
"""
