"""What is valid in carriers.toml and yet likely not meant: findings with the line and the remedy. Pure.

`runtime.carriers_file` refuses what is wrong; this looks at how the figures go together.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from math import ceil
from typing import Any

from cli.findings import Finding
from policy.outcomes import OUTCOMES
from ratelimit.shares import share_of
from runtime.carriers_file import places
from schemas.carriers import Carrier, CarrierBook, Route
from schemas.classes import CLASS_NAMES

At = Callable[..., str]
LOOPBACK = ("127.", "localhost", "::1")
SHORTEST_TIMEOUT_S = 5
LEDGER_S = 0.02
"""What a message stays open for besides the carrier's answer: outcome to Kafka, commit of the ledger (DESIGN §5)."""


def findings(text: str, name: str, book: CarrierBook, latency_s: float) -> list[Finding]:
    """Of a file that parses. `latency_s`: how long the carriers take to answer a submit_sm."""
    locate = places(text, name)
    raw = tomllib.loads(text)

    def at(*where: str | int) -> str:
        return locate(where)

    found = list(_of_book(book, at))
    for carrier in book.carriers.values():
        found += _of_codes(carrier, at)
        found += _of_flow(carrier, latency_s, at)
        found += _of_doubts(carrier, at)
        found += _of_access(carrier, raw["carriers"][carrier.name], at)
    for number, route in enumerate(book.routes):
        found += _of_route(number, route, book, at)
    return found


def _of_book(book: CarrierBook, at: At) -> Iterator[Finding]:
    if not book.carriers:
        yield Finding("warning", at("carriers"), "there is no carrier", "add a [carriers.NAME] table")
    used = {name for route in book.routes for name in (*route.carriers, *route.fallback)}
    for name in book.carriers:
        if name not in used:
            yield Finding("warning", at("carriers", name), f"no route leads to {name}", "name it in a [[routes]] entry")
    everywhere = {cls for route in book.routes if not route.prefix for cls in route.classes}
    missing = [cls for cls in CLASS_NAMES if cls not in everywhere]
    if missing:
        what = f"no default route for {', '.join(missing)}: numbers that no prefix covers are refused with no_route"
        yield Finding("note", at("routes"), what, 'add a route with prefix = "" if they should go')
    for place, count in Counter((each.host, each.port, each.system_id) for each in book.carriers.values()).items():
        if count > 1:
            names = sorted(
                name for name, each in book.carriers.items() if (each.host, each.port, each.system_id) == place
            )
            what = f"{' and '.join(names)} bind to one account ({place[2]} at {place[0]}:{place[1]})"
            remedy = "the account's binds and rate are shared: make them one carrier, or split lanes and tps"
            yield Finding("warning", at("carriers", names[-1]), what, remedy)


def _of_codes(carrier: Carrier, at: At) -> Iterator[Finding]:
    for text, rule in carrier.errors.items():
        where = at("carriers", carrier.name, "errors", text)
        if rule.code and rule.code not in OUTCOMES:
            remedy = f"known are {', '.join(sorted(OUTCOMES))}"
            yield Finding("error", where, f"{rule.code!r} is no outcome code", remedy)
        elif rule.code and rule.outcome in ("accepted", "throttled"):
            yield Finding(
                "warning", where, f"the code of an outcome that is {rule.outcome} is not used", "leave it out"
            )


def _enough(amount: float) -> int:
    # 100 × (0.1 + 0.02) is a little more than 12.
    return ceil(round(amount, 6))


def _of_flow(carrier: Carrier, latency_s: float, at: At) -> Iterator[Finding]:
    share = share_of(carrier.tps, carrier.lanes, 0)
    answered = f"with answers after {latency_s * 1000:g} ms"
    window_tps = carrier.window / latency_s
    if window_tps < share:
        what = f"window {carrier.window} lets a lane send at most {window_tps:.0f} of its {share} segments/s {answered}"
        remedy = (
            f"agree on a window of {_enough(share * latency_s)} or on more binds; or measure the latency (--latency-s)"
        )
        yield Finding("warning", at("carriers", carrier.name, "window"), what, remedy)
    exposure, where = carrier.exposure_limit, at("carriers", carrier.name, "exposure")
    exposure_tps = exposure / (latency_s + LEDGER_S)
    if exposure_tps < share and exposure < carrier.window:
        what = f"exposure {exposure} lets a lane have at most {exposure_tps:.0f} of its {share} messages/s under way {answered}"
        remedy = f"{_enough(share * (latency_s + LEDGER_S))} would do; so many messages may be in doubt after a crash"
        yield Finding("warning", where, what, remedy)
    if exposure > carrier.window:
        what = f"exposure {exposure} is above the window of {carrier.window}: a crash may leave {exposure} messages a lane in doubt"
        remedy = "a fair trade for throughput (fewer commits) if it is meant; otherwise leave exposure out"
        yield Finding("warning", where, what, remedy)
    spare = carrier.partitions % carrier.lanes
    if spare:
        most, mean = carrier.partitions // carrier.lanes + 1, carrier.partitions / carrier.lanes
        what = (
            f"{carrier.partitions} partitions don't divide by {carrier.lanes} lanes: some lanes get {most} of them, "
            f"so under load the carrier reaches about {mean / most:.0%} of its tps"
        )
        remedy = (
            "choose lanes that divide partitions (12 divides by 1, 2, 3, 4, 6 and 12); partitions can't change later"
        )
        yield Finding("warning", at("carriers", carrier.name, "lanes"), what, remedy)


def _of_doubts(carrier: Carrier, at: At) -> Iterator[Finding]:
    for cls, policy in zip(CLASS_NAMES, carrier.in_doubt.by_class, strict=True):
        where = at("carriers", carrier.name, "in_doubt")
        if cls == "otp" and policy in ("wait", "hold"):
            what = f"an otp in doubt would {policy}: it is worthless before anybody decides"
            yield Finding("warning", where, what, 'set in_doubt.otp = "resend" or "drop"')
        elif policy in ("wait", "hold"):
            what = f"{cls} in doubt would {policy}, and nothing in this release takes it up again (no scheduler, no resolve yet)"
            yield Finding("warning", where, what, f'set in_doubt.{cls} = "resend" or "drop"')
    if carrier.submit_timeout_s < SHORTEST_TIMEOUT_S:
        what = f"submit_timeout_s {carrier.submit_timeout_s:g}: each answer that comes later puts its message in doubt"
        remedy = f"{SHORTEST_TIMEOUT_S} or more, unless the carrier promises better"
        yield Finding("warning", at("carriers", carrier.name, "submit_timeout_s"), what, remedy)


def _of_access(carrier: Carrier, raw: dict[str, Any], at: At) -> Iterator[Finding]:
    where = at("carriers", carrier.name, "password")
    password = str(raw.get("password", ""))
    if not password:
        yield Finding("warning", where, "there is no password", 'set password = "${SOME_VARIABLE}"')
    elif "${" not in password and not carrier.test:
        what = "the password stands in the file"
        yield Finding("warning", where, what, 'write "${SOME_VARIABLE}" and keep the secret in the environment')
    if not carrier.tls.enabled and not carrier.host.startswith(LOOPBACK):
        what = f"{carrier.name} is reached without TLS: password, numbers and texts cross the network in clear"
        yield Finding("note", at("carriers", carrier.name, "host"), what, "fine inside a VPN; else tls.enabled = true")
    if carrier.price == "0":
        what = "no price: what this carrier costs is counted as nothing"
        yield Finding("note", at("carriers", carrier.name, "price"), what, 'set price = "0.0320" and currency')


def _of_route(number: int, route: Route, book: CarrierBook, at: At) -> Iterator[Finding]:
    where = at("routes", number)
    label = f"route {number + 1} (prefix {route.prefix!r})"
    reached = {*route.carriers, *route.fallback}
    if len(reached) == 1:
        what = f"{label} knows only {next(iter(reached))}: while that is closed, its messages are refused with no_route"
        yield Finding("warning", where, what, "add a second carrier, or a fallback")
    tests = sorted(name for name in reached if book.carriers[name].test)
    if tests and len(tests) < len(reached):
        what = f"{label} mixes real carriers with {', '.join(tests)}, where test = true: live messages go there, too"
        yield Finding("warning", where, what, "give test carriers routes of their own")
    twice = sorted(set(route.fallback) & set(route.carriers))
    if twice:
        what = f"{label}: {', '.join(twice)} is in carriers and in fallback; one of them is enough"
        yield Finding("note", where, what, "leave it out of fallback")
