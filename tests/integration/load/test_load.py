"""The load tool against an api that is as unwilling as it gets: nothing is doubled, nothing forgotten, lateness is counted."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from load.book import Book
from load.messages import Mix
from load.options import Options
from load.probes import Watch
from load.run import Result, Run
from runtime.errors import UnavailableError
from tests.integration.load.fake_api import BUSY, FakeApi, Reply, Request, accepted, rejected

MODES = ["single", "batch", "ndjson"]
NO_WAIT = b"retry-after: 0\r\n"


def mix() -> Mix:
    return Mix({"otp": 1, "notice": 1}, {"short": 1}, {"86138": 1}, "Acme")


async def run(api: FakeApi, book: Path | None = None, **options: Any) -> Result:
    asked = {"connections": 2, "batch_size": 10, "count": 100, "retry_for_s": 5.0, "timeout_s": 2.0, **options}
    written = Book(str(book)) if book else None
    try:
        async with asyncio.timeout(20):
            return await Run(Options((api.url,), "key", **asked), mix(), Watch([], [], None), written).go()
    finally:
        if written:
            written.close()


def lines(book: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in book.read_text().splitlines()]


def first_time(answer: Callable[[Request], Reply]) -> Callable[[Request], Reply | None]:
    """Answers the first request of each key so, the repeats as usual."""
    seen: Counter[str] = Counter()

    def script(request: Request) -> Reply | None:
        seen[request.key] += 1
        return answer(request) if seen[request.key] == 1 else None

    return script


@pytest.mark.parametrize("mode", MODES)
async def test_everything_is_accepted_once_and_booked(mode: str, tmp_path: Path) -> None:
    async with FakeApi() as api:
        result = await run(api, tmp_path / "book", mode=mode)
    booked = lines(tmp_path / "book")
    assert result.clean
    assert result.figures.accepted == len(booked) == 100
    assert len({line["nonce"] for line in booked}) == len({line["id"] for line in booked}) == 100
    sent = b"".join(request.body for request in api.requests).decode()
    assert all(f'"{line["nonce"]} ' in sent and line["to"] in sent for line in booked)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "fault",
    [Reply(503, BUSY, NO_WAIT), Reply(429, b'{"code":"rate_limited"}', NO_WAIT), Reply(0)],
    ids=["503", "429", "lost"],
)
async def test_a_refused_request_is_repeated_under_its_key(mode: str, fault: Reply, tmp_path: Path) -> None:
    async with FakeApi(first_time(lambda request: fault)) as api:
        result = await run(api, tmp_path / "book", mode=mode)
    assert result.clean
    assert result.figures.accepted == 100
    assert len(lines(tmp_path / "book")) == 100
    # The very same request: a key never comes with another body. (A stream is repeated from its start, piece by piece.)
    if mode != "ndjson":
        bodies = {(request.key, request.body) for request in api.requests}
        assert len(bodies) == len(api.keys)
        assert set(api.keys.values()) == {2}


async def test_retry_after_is_waited_for() -> None:
    times: dict[str, list[float]] = {}

    def script(request: Request) -> Reply | None:
        times.setdefault(request.key, []).append(asyncio.get_running_loop().time())
        return Reply(503, BUSY, b"retry-after: 1\r\n") if len(times[request.key]) == 1 else None

    async with FakeApi(script) as api:
        result = await run(api, count=10, mode="batch")
    assert result.clean
    ((first, second),) = times.values()
    assert second - first >= 1


async def test_rows_that_may_be_repeated_are_repeated_with_their_batch(tmp_path: Path) -> None:
    def busy(request: Request) -> Reply:
        odd = lambda index: rejected(index, "intake_unavailable", True) if index % 2 else None  # noqa: E731
        return Reply(202, accepted(request, odd))

    async with FakeApi(first_time(busy)) as api:
        result = await run(api, tmp_path / "book", mode="batch")
    assert result.clean
    booked = lines(tmp_path / "book")
    assert len(booked) == len({line["nonce"] for line in booked}) == 100


@pytest.mark.parametrize("mode", ["single", "batch"])
async def test_what_is_refused_for_good_is_counted_and_not_repeated(mode: str, tmp_path: Path) -> None:
    refused = Reply(422, b'{"code":"no_route","retryable":false}')
    async with FakeApi(lambda request: refused) as api:
        result = await run(api, tmp_path / "book", mode=mode, count=20)
    assert not result.clean
    assert result.figures.rejected == {"no_route": 20}
    assert set(api.keys.values()) == {1}
    assert lines(tmp_path / "book") == []


async def test_a_wrong_row_spoils_no_other() -> None:
    def one_wrong(request: Request) -> Reply:
        return Reply(
            202, accepted(request, lambda index: rejected(index, "invalid_number", False) if not index else None)
        )

    async with FakeApi(one_wrong) as api:
        result = await run(api)
    assert result.figures.accepted == 90
    assert result.figures.rejected == {"invalid_number": 10}


@pytest.mark.parametrize("mode", MODES)
async def test_what_nobody_answered_is_booked_as_such(mode: str, tmp_path: Path) -> None:
    async with FakeApi(lambda request: Reply(503, BUSY, NO_WAIT)) as api:
        result = await run(api, tmp_path / "book", mode=mode, count=20, retry_for_s=0.2)
    assert result.figures.unanswered == 20
    booked = lines(tmp_path / "book")
    assert len(booked) == 20
    assert {line["id"] for line in booked} == {None}


@pytest.mark.parametrize("mode", MODES)
async def test_without_keys_what_is_not_answered_is_not_repeated(mode: str, tmp_path: Path) -> None:
    async with FakeApi(lambda request: Reply(0)) as api:
        result = await run(api, tmp_path / "book", mode=mode, count=20, idempotency=False)
    assert result.figures.unanswered == 20
    bodies = [request.body for request in api.requests]
    assert len(bodies) == len(set(bodies)) == (20 if mode == "single" else 2)


async def test_what_certainly_was_not_sent_is_not_in_the_book(tmp_path: Path) -> None:
    async with FakeApi() as api:
        gone = api.url
    result = await Run(
        Options((gone,), "key", count=10, batch_size=10, connections=1, retry_for_s=0.2), mix(), Watch([], [], None),
        book := Book(str(tmp_path / "book")),
    ).go()  # fmt: skip
    book.close()
    assert (result.figures.unsent, result.figures.unanswered) == (10, 0)
    assert lines(tmp_path / "book") == []


async def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    async with FakeApi(lambda request: Reply(202, b"{}", b"", after_s=60)) as api:
        result = await run(api, tmp_path / "book", count=10, timeout_s=0.2, retry_for_s=0.5)
    assert result.figures.unanswered == 10
    assert result.figures.attempts["no answer"] >= 1


async def test_a_rate_is_kept_and_ends() -> None:
    async with FakeApi() as api:
        result = await run(api, mode="single", rate=200.0, duration_s=1.0, count=None, connections=8)
    assert result.figures.accepted == 200
    assert result.figures.elapsed_s == pytest.approx(1.0, abs=0.3)


async def test_lateness_counts_from_the_plan() -> None:
    # One connection, 50 ms an answer, 40 a second asked for: the last of 40 requests leaves a second late.
    async with FakeApi(lambda request: Reply(202, accepted(request), b"", after_s=0.05)) as api:
        result = await run(api, mode="single", rate=40.0, duration_s=1.0, count=None, connections=1)
    figures = result.figures
    assert figures.accepted == 40
    assert figures.late.most_s > 0.8
    # And latency with it: a client that sends on time would have waited so long.
    assert figures.latency.most_s > 0.85


async def test_steps_have_their_own_figures() -> None:
    async with FakeApi() as api:
        result = await run(api, mode="single", steps=(100.0, 200.0), step_s=0.5, count=None, connections=8)
    assert [step.accepted for step in result.figures.steps] == [50, 100]


@pytest.mark.parametrize("mode", MODES)
async def test_a_stop_finishes_what_is_under_way(mode: str, tmp_path: Path) -> None:
    async with FakeApi() as api:
        book = Book(str(tmp_path / "book"))
        options = Options((api.url,), "key", mode=mode, batch_size=10, rate=100.0, connections=4)  # type: ignore[arg-type]  # one of MODES
        one = Run(options, mix(), Watch([], [], None), book)
        asyncio.get_running_loop().call_later(0.3, one.stop)
        async with asyncio.timeout(3):
            result = await one.go()
        book.close()
    assert result.stopped_early
    assert 0 < result.figures.accepted == len(lines(tmp_path / "book")) <= result.figures.planned


async def test_a_kill_in_the_middle_books_what_is_under_way(tmp_path: Path) -> None:
    async with FakeApi(lambda request: Reply(202, accepted(request), b"", after_s=60)) as api:
        sending = asyncio.create_task(run(api, tmp_path / "book", count=None, duration_s=60.0))
        await asyncio.sleep(0.3)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    booked = lines(tmp_path / "book")
    assert len(booked) == 20
    assert {line["id"] for line in booked} == {None}


async def test_several_urls_share_the_load() -> None:
    async with FakeApi() as one, FakeApi() as other:
        options = Options((one.url, other.url), "key", batch_size=10, count=200, connections=4)
        result = await Run(options, mix(), Watch([], [], None)).go()
    assert result.clean
    assert one.requests
    assert other.requests


async def test_a_long_stream_is_ended_and_another_begun() -> None:
    async with FakeApi() as api:
        result = await run(api, mode="ndjson", stream_lines=20, connections=1)
    assert result.figures.accepted == 100
    assert len(api.keys) == 5


async def test_an_answer_of_another_service_ends_the_run() -> None:
    async with FakeApi(lambda request: Reply(202, b"<html>")) as api:
        with pytest.raises(UnavailableError, match="is --url right"):
            await run(api)


async def test_a_probe_that_does_not_answer_is_told_before_anything_is_sent() -> None:
    async with FakeApi() as api:
        options = Options((api.url,), "key", count=10)
        with pytest.raises(UnavailableError, match="Simulator can't be asked"):
            await Run(options, mix(), Watch(["http://127.0.0.1:1"], [], None)).go()
        assert api.requests == []
