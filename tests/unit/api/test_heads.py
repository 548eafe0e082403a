"""Which heads are known again, and that what is kept of them is bounded."""

from __future__ import annotations

from api.heads import Fields, Heads

HEAD = b"POST /v1/messages HTTP/1.1\r\nAuthorization: Bearer x\r\nContent-Length: 2"
FIELDS: Fields = {b"authorization": b"Bearer x", b"content-length": b"2"}
REQUEST = HEAD + b"\r\n\r\n{}"


def kept(data: bytes = REQUEST, body: bytes = b"{}", fields: Fields = FIELDS) -> Heads:
    heads = Heads()
    heads.keep(data, body, fields)
    return heads


def test_the_same_head_with_a_body_of_its_length_is_known() -> None:
    assert kept().find(HEAD + b"\r\n\r\n[]") == (FIELDS, b"[]")


def test_nothing_else_is() -> None:
    heads = kept()
    for data in (
        HEAD + b"\r\n\r\n{",
        HEAD + b"\r\n\r\n{} ",
        HEAD + b"\r\n\r\n" + b"{}" + REQUEST,
        HEAD + b"\r\n",
        HEAD[:-1] + b"1\r\n\r\n{",
        HEAD.replace(b"Bearer x", b"Bearer y") + b"\r\n\r\n{}",
        b"\r\n" + REQUEST,
        b"",
    ):
        assert heads.find(data) is None


def test_a_body_that_is_not_as_it_was_written_tells_no_length() -> None:
    chunked = HEAD + b"\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    assert kept(chunked).find(chunked) is None


def test_what_another_request_will_not_have_is_not_kept() -> None:
    for name in (b"idempotency-key", b"x-request-id", b"traceparent"):
        assert kept(fields={**FIELDS, name: b"1"}).find(REQUEST) is None


def test_a_large_head_is_not_kept() -> None:
    large = HEAD + b"\r\nX: " + b"x" * 2048 + b"\r\n\r\n{}"
    assert kept(large).find(large) is None


def test_of_too_many_all_are_forgotten_and_the_next_are_learnt() -> None:
    heads = kept()
    others = [REQUEST.replace(b"Bearer x", b"Bearer %d" % number) for number in range(512)]
    for other in others:
        heads.keep(other, b"{}", FIELDS)
    assert heads.find(REQUEST) is None
    assert heads.find(others[-1]) is not None
