"""Who asks, and whether they may: `Authorization: Bearer sk_live_…`, scopes."""

from __future__ import annotations

from typing import Final

from api.intake import Caller
from api.problems import refusal
from api.reference import ALL, ReferenceBook

_IMPLIED_BY: Final = {"read": "read:content"}
"""Who may see the content of messages may see the rest of them."""


def authenticate(header: str | None, book: ReferenceBook) -> Caller:
    """The caller of a request by its Authorization header. Raises Refusal (unauthorized)."""
    if header is None:
        raise refusal("unauthorized", "there is no Authorization header")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise refusal("unauthorized", "the Authorization header is not of the form `Bearer sk_live_…`")
    caller = book.caller(token.strip())
    if caller is None:
        raise refusal("unauthorized", "the key is not known, or was revoked")
    return caller


def may(caller: Caller, scope: str) -> bool:
    """Whether the caller's key has a scope, by name, by one that implies it, or all of them."""
    scopes = caller.scopes
    return scope in scopes or ALL in scopes or _IMPLIED_BY.get(scope) in scopes


def require(caller: Caller, scope: str) -> Caller:
    """The caller, if it may. Raises Refusal (forbidden), naming the scope."""
    if not may(caller, scope):
        raise refusal("forbidden", f"the key {caller.key_id} lacks the scope `{scope}`")
    return caller
