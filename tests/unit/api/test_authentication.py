"""Keys and scopes: who asks, and what they may."""

from __future__ import annotations

import httpx
import msgspec
import pytest

from api.authentication import authenticate, may
from api.intake import Caller
from api.issuing import ID_BYTES, SECRET_BYTES, check_account, issue, revoke, scopes_of
from api.problems import Refusal
from api.reference import MOST_TOKENS, ReferenceBook
from schemas.codec import decode_reference, encode
from schemas.records import Account, Act, ApiKey, CarrierSwitch
from tests.unit.api.stage import ACT, SEND, Stage, problem

ENTROPY = bytes(range(SECRET_BYTES + ID_BYTES))


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic abc", "Bearer sk_live_nope", "Bearer " + "x" * 300]
)
async def test_without_a_key_in_force_nothing_is_answered(header: str | None) -> None:
    stage = Stage()
    client = stage.client_of("")
    headers = {} if header is None else {"Authorization": header}
    for method, path in (
        ("POST", "/v1/messages"),
        ("POST", "/v1/batches"),
        ("GET", "/v1/messages"),
        ("GET", "/v1/keys"),
    ):
        response: httpx.Response = await client.request(method, path, headers=headers)
        assert response.headers["www-authenticate"] == "Bearer"
        problem(response, 401, "unauthorized")


@pytest.mark.parametrize(
    ("scopes", "method", "path", "missing"),
    [
        ("read", "POST", "/v1/messages", "send"),
        ("read", "POST", "/v1/batches", "send"),
        ("admin", "POST", "/v1/messages/preview", "send"),
        ("send", "GET", "/v1/messages", "read"),
        ("send", "GET", "/v1/in-doubt", "read"),
        ("send,read", "GET", "/v1/carriers", "admin"),
        ("send,read:content", "GET", "/v1/keys", "admin"),
    ],
)
async def test_a_missing_scope_is_named(scopes: str, method: str, path: str, missing: str) -> None:
    stage = Stage()
    response = await stage.client_of(stage.key(scopes)).request(method, path, json=SEND if method == "POST" else None)
    assert f"`{missing}`" in problem(response, 403, "forbidden")["detail"]


async def test_a_revoked_key_is_refused_at_once_though_it_was_used() -> None:
    stage = Stage()
    assert (await stage.send()).status_code == 202
    (key,) = stage.book.keys("shop")
    name, value = revoke(key, msgspec.structs.replace(ACT, at_ms=7))
    assert name is not None
    stage.book.apply(name, value)
    problem(await stage.send(), 401, "unauthorized")
    assert [each.revoked_ms for each in stage.book.keys("shop")] == [7], "it is still listed"


def test_reading_content_implies_reading_and_a_star_implies_all() -> None:
    def caller(*scopes: str) -> Caller:
        return Caller("k", "a", frozenset(scopes), True)

    assert may(caller("read:content"), "read")
    assert not may(caller("read"), "read:content")
    assert all(may(caller("*"), scope) for scope in ("send", "read", "read:content", "admin"))
    assert not may(caller("admin"), "send")


def test_only_a_hash_of_the_secret_is_recorded() -> None:
    issued = issue(ReferenceBook(), ACT, "shop", "n", ("send",), live=True, entropy=ENTROPY)
    assert issued.secret.startswith("sk_live_")
    assert all(issued.secret[8:].encode() not in (value or b"") for _, value in issued.entries)
    records = [decode_reference(value or b"") for _, value in issued.entries]
    assert [type(record) for record in records] == [Account, ApiKey]


def test_an_account_that_is_there_is_not_made_again() -> None:
    book = ReferenceBook()
    book.apply(b"account/shop", encode(Account(ACT, "shop", suspended=True)))
    issued = issue(book, ACT, "shop", "n", ("send",), live=False, entropy=ENTROPY)
    assert issued.secret.startswith("sk_test_")
    assert [name for name, _ in issued.entries] == [b"key/" + issued.key.id.encode()]


def test_a_key_stands_for_its_account_and_is_gone_when_its_record_is() -> None:
    book = ReferenceBook()
    issued = issue(book, ACT, "shop", "n", ("send",), live=True, entropy=ENTROPY)
    for name, value in issued.entries:
        book.apply(name or b"", value)
    assert authenticate(f"bearer {issued.secret}", book) == Caller(issued.key.id, "shop", frozenset({"send"}), True)
    book.apply(b"key/" + issued.key.id.encode(), None)
    with pytest.raises(Refusal):
        authenticate(f"Bearer {issued.secret}", book)


@pytest.mark.parametrize("value", [b"\xc1", encode(CarrierSwitch(ACT, "alpha")), b"\x92\xcd\x03\xe7\x00"])
def test_a_key_that_cannot_be_read_any_more_is_none(value: bytes) -> None:
    book = ReferenceBook()
    issued = issue(book, ACT, "shop", "n", ("send",), live=True, entropy=ENTROPY)
    name = b"key/" + issued.key.id.encode()
    book.apply(name, issued.entries[-1][1])
    assert book.caller(issued.secret) is not None
    book.apply(name, value)
    assert book.caller(issued.secret) is None


def test_an_account_or_switch_that_cannot_be_read_stays_as_it_was() -> None:
    book = ReferenceBook()
    book.apply(b"account/shop", encode(Account(ACT, "shop", suspended=True)))
    book.apply(b"account/shop", b"\xc1")
    assert book.suspended("shop")


def test_a_switch_holds_until_its_time() -> None:
    book = ReferenceBook()
    book.apply(b"carrier/alpha", encode(CarrierSwitch(ACT, "alpha", "draining", until_ms=1_000)))
    book.apply(b"carrier/beta", encode(CarrierSwitch(ACT, "beta", "paused")))
    assert book.draining(999) == {"alpha"}
    assert book.draining(1_000) == frozenset()


def test_the_cache_of_tokens_is_bounded_and_knows_no_wrong_ones() -> None:
    book = ReferenceBook()
    issued = issue(book, ACT, "shop", "n", ("send",), live=True, entropy=ENTROPY)
    book.apply(b"key/k", issued.entries[-1][1])
    for number in range(MOST_TOKENS + 10):
        book.caller(f"sk_live_{number}")
    assert book.cached == 0
    assert book.caller(issued.secret) is book.caller(issued.secret)
    assert book.cached == 1


@pytest.mark.parametrize(("text", "told"), [("send,fly", "fly"), ("", "at least one"), (" , ", "at least one")])
def test_an_unknown_scope_is_named(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        scopes_of(text)


def test_scopes_come_in_order_and_once() -> None:
    assert scopes_of("read, send,read") == ("send", "read")


@pytest.mark.parametrize("name", ["", "Shop", "a b", "-a", "x" * 33, "ü"])
def test_an_account_has_a_plain_name(name: str) -> None:
    with pytest.raises(ValueError):
        check_account(name)


def test_who_revoked_a_key_and_why_is_in_its_record() -> None:
    issued = issue(ReferenceBook(), ACT, "shop", "n", ("send",), live=True, entropy=ENTROPY)
    _, value = revoke(issued.key, Act("anna", "lost laptop", 5))
    record = decode_reference(value or b"")
    assert isinstance(record, ApiKey)
    assert (record.act.actor, record.act.reason, record.revoked_ms, record.sha256) == (
        "anna",
        "lost laptop",
        5,
        issued.key.sha256,
    )
