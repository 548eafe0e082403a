"""An answer of the usual kind is read without a parser; whatever else comes is left to it."""

from __future__ import annotations

import pytest

from load.connection import Answer, plain

BODY = b'{"id":"01J"}'
HEAD = b"HTTP/1.1 202 Accepted\r\ndate: now\r\ncontent-length: 12\r\ncontent-type: application/json\r\nx-request-id: a"


def test_a_whole_answer_is_read_at_once() -> None:
    assert plain(HEAD + b"\r\n\r\n" + BODY) == Answer(202, BODY)


def test_names_are_read_in_any_case() -> None:
    head = HEAD.replace(b"content-length", b"Content-Length")
    assert plain(head + b"\r\n\r\n" + BODY) == Answer(202, BODY)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEAD,
        HEAD + b"\r\n\r\n",
        HEAD + b"\r\n\r\n" + BODY[:-1],
        HEAD + b"\r\n\r\n" + BODY + b"H",
        HEAD + b"\r\nConnection: close\r\n\r\n" + BODY,
        HEAD + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + BODY,
        HEAD + b"\r\nRetry-After: 1\r\n\r\n" + BODY,
        HEAD.replace(b"202 Accepted", b"200 OK") + b"\r\n\r\n" + BODY,
        HEAD.replace(b"1.1", b"1.0") + b"\r\n\r\n" + BODY,
        HEAD.replace(b"content-length: 12", b"content-length: x") + b"\r\n\r\n" + BODY,
        HEAD.replace(b"content-length: 12\r\n", b"") + b"\r\n\r\n" + BODY,
    ],
)
def test_anything_else_is_not(data: bytes) -> None:
    assert plain(data) is None
