"""POST /v1/batches as a stream: line by line, with bounded memory, and an end that says how it ended."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from api.uploads import MAX_LINE_BYTES, ClientGone, Uploads
from runtime.metrics import REGISTRY
from schemas.ids import from_text
from tests.unit.api.stage import Stage, problem

HEAD = {"name": "s", "defaults": {"text": "Hello", "sender": "Acme"}}


class Exchange:
    """One request driven piece by piece over ASGI, as uvicorn would."""

    def __init__(self, stage: Stage, key: str | None = None) -> None:
        self._pieces: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        self.asked = 0
        self.full = False
        headers = [(b"authorization", f"Bearer {stage.token}".encode()), (b"content-type", b"application/x-ndjson")]
        if key is not None:
            headers.append((b"idempotency-key", key.encode()))
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/batches",
            "raw_path": b"/v1/batches",
            "query_string": b"",
            "headers": headers,
            "http_version": "1.1",
            "scheme": "http",
            "server": ("api", 80),
            "client": ("c", 1),
            "root_path": "",
        }
        self.done = asyncio.ensure_future(stage.app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        self.asked += 1
        return await self._pieces.get()

    async def _send(self, message: Any) -> None:
        if self.full and message["type"] == "http.response.body":
            await asyncio.Event().wait()
        self.sent.append(message)

    def give(self, *lines: Any, more: bool = True) -> None:
        raw = b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines)
        self._pieces.put_nowait({"type": "http.request", "body": raw, "more_body": more})

    def leave(self) -> None:
        self._pieces.put_nowait({"type": "http.disconnect"})

    async def lines(self, count: int) -> list[Any]:
        """Waits until so many lines were answered."""
        async with asyncio.timeout(5):
            while len(self.answered) < count and not self.done.done():
                await asyncio.sleep(0.001)
        return self.answered

    @property
    def answered(self) -> list[Any]:
        raw = b"".join(message.get("body", b"") for message in self.sent)
        return [json.loads(line) for line in raw.splitlines()]


def row(number: int, **more: Any) -> dict[str, Any]:
    return {"to": f"+86138{number:08d}", **more}


async def test_lines_are_answered_while_the_stream_goes_on() -> None:
    stage = Stage()
    exchange = Exchange(stage)
    exchange.give(HEAD, row(0), row(1))
    begun, *results = await exchange.lines(3)
    assert [result["status"] for result in results] == ["queued", "queued"]
    assert len(stage.published()) == 2
    exchange.give(b"not json\n", row(3))
    assert [result["status"] for result in (await exchange.lines(5))[3:]] == ["rejected", "queued"]
    exchange.give(more=False)
    await exchange.done
    assert exchange.sent[0]["status"] == 202
    assert (b"content-type", b"application/x-ndjson") in exchange.sent[0]["headers"]
    last = exchange.answered[-1]
    assert last == {"batch_id": begun["batch_id"], "total": 4, "accepted": 3, "rejected": 1, "complete": True}
    assert [line["index"] for line in exchange.answered[1:-1]] == [0, 1, 2, 3]
    assert exchange.answered[3]["error"]["code"] == "invalid_json"


async def test_the_batch_is_recorded_at_the_start_and_with_its_final_counts() -> None:
    stage = Stage()
    exchange = Exchange(stage)
    exchange.give(HEAD, row(0))
    await exchange.lines(2)
    exchange.give(row(1), row(2), more=False)
    await exchange.done
    first, last = stage.batches()
    assert first.id == last.id == from_text(exchange.answered[0]["batch_id"])
    assert (first.complete, last.complete, last.total, last.accepted) == (False, True, 3, 3)
    assert {message.batch for message in stage.published()} == {last.id}


async def test_a_line_may_come_in_pieces_and_without_a_newline_at_the_end() -> None:
    stage = Stage()
    raw = json.dumps({**row(0), "text": "Hi", "sender": "Acme"}).encode()
    exchange = Exchange(stage)
    for octet in range(0, len(raw), 7):
        exchange.give(raw[octet : octet + 7])
    exchange.give(more=False)
    await exchange.done
    assert exchange.answered[-1]["accepted"] == 1


async def test_nothing_more_is_read_before_results_are_written() -> None:
    stage = Stage()
    exchange = Exchange(stage)
    stage.cluster.hold_publishes = True
    exchange.give(HEAD, row(0))
    exchange.give(row(1))
    while not stage.publisher.backlog_bytes:
        await asyncio.sleep(0)
    asked = exchange.asked
    for _ in range(20):
        await asyncio.sleep(0)
    assert exchange.asked == asked == 1
    stage.cluster.hold_publishes = False
    exchange.give(more=False)
    await exchange.done
    assert exchange.answered[-1]["accepted"] == 2


async def test_a_stream_of_which_kafka_takes_nothing_at_first_is_unavailable() -> None:
    stage = Stage(timeout_s=0.02)
    stage.cluster.down = True
    exchange = Exchange(stage)
    exchange.give(HEAD, row(0), more=False)
    await exchange.done
    assert exchange.sent[0]["status"] == 503
    assert exchange.answered[0]["code"] == "intake_unavailable"


async def test_kafka_lost_midway_rejects_those_lines_as_retryable() -> None:
    stage = Stage(timeout_s=0.02)
    exchange = Exchange(stage)
    exchange.give(HEAD, row(0))
    await exchange.lines(2)
    stage.cluster.down = True
    exchange.give(row(1), more=False)
    await exchange.done
    *_, lost, last = exchange.answered
    assert (lost["error"]["code"], lost["error"]["retryable"]) == ("intake_unavailable", True)
    assert (last["accepted"], last["rejected"], last["complete"]) == (1, 1, True)


async def test_a_client_that_goes_away_leaves_a_batch_that_is_not_complete() -> None:
    stage = Stage()
    exchange = Exchange(stage)
    exchange.give(HEAD, row(0), row(1))
    await exchange.lines(3)
    exchange.leave()
    await exchange.done
    await stage.drained()
    assert [(record.accepted, record.complete) for record in stage.batches()] == [(0, False), (2, False)]


async def test_a_client_that_does_not_read_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.write_routes.SEND_S", 0.01)
    stage = Stage()
    exchange = Exchange(stage)
    exchange.full = True
    exchange.give(HEAD, row(0))
    exchange.give(row(1))
    await exchange.done
    await stage.drained()
    assert [record.complete for record in stage.batches()] == [False, False]
    assert len(stage.published()) == 1


async def test_a_client_that_leaves_before_an_answer_is_counted_as_gone() -> None:
    name, labels = "smppd_http_request_seconds_count", {"route": "/v1/batches", "status": "499"}
    before = REGISTRY.get_sample_value(name, labels) or 0
    exchange = Exchange(Stage())
    exchange.leave()
    await exchange.done
    assert REGISTRY.get_sample_value(name, labels) == before + 1


async def test_a_process_that_stops_ends_its_streams_and_says_so() -> None:
    stage = Stage()
    exchange = Exchange(stage)
    exchange.give(HEAD, row(0))
    await exchange.lines(2)
    stage.services.uploads.stop()
    exchange.give(row(1))
    await exchange.lines(4)
    exchange.give(row(2))
    await exchange.done
    last = exchange.answered[-1]
    assert (last["complete"], last["error"]["code"]) == (False, "intake_unavailable")
    assert len(stage.published()) == last["accepted"]


async def test_a_line_that_is_too_long_ends_the_stream() -> None:
    stage = Stage()
    exchange = Exchange(stage)
    exchange.give(HEAD, row(0))
    await exchange.lines(2)
    exchange.give(b"x" * (MAX_LINE_BYTES + 1))
    await exchange.done
    last = exchange.answered[-1]
    assert (last["complete"], last["error"]["code"], last["accepted"]) == (False, "body_too_large", 1)


@pytest.mark.parametrize("lines", [[], [HEAD], [b"\n\n"]])
async def test_a_stream_without_a_message_is_refused(lines: list[Any]) -> None:
    exchange = Exchange(Stage())
    exchange.give(*lines, more=False)
    await exchange.done
    assert exchange.sent[0]["status"] == 422
    assert exchange.answered[0]["code"] == "missing_field"


async def test_a_first_line_that_is_wrong_is_told_before_anything_is_sent() -> None:
    exchange = Exchange(Stage())
    exchange.give({"defaults": {"form": 1}}, row(0), more=False)
    await exchange.done
    assert (exchange.sent[0]["status"], exchange.answered[0]["code"]) == (422, "unknown_field")


async def test_a_repeated_stream_gives_the_same_ids_and_sends_what_is_missing() -> None:
    stage, later = Stage(), Stage()
    for on, rows in ((stage, [row(0), row(1)]), (later, [row(0), row(1), row(2)])):
        exchange = Exchange(on, key="k1")
        exchange.give(HEAD, *rows, more=False)
        await exchange.done
        if on is stage:
            first = exchange.answered
            for message in stage.published():
                stage.project(message)
            later.reads.keyed = stage.reads.keyed
    assert exchange.answered[:3] == first[:3]
    assert len(later.published()) == 1


async def test_a_line_that_changed_under_its_key_is_rejected_alone() -> None:
    stage, later = Stage(), Stage()
    for on, second in ((stage, row(1)), (later, row(1, text="Other"))):
        exchange = Exchange(on, key="k1")
        exchange.give(HEAD, row(0), second, more=False)
        await exchange.done
        for message in on.published():
            on.project(message)
        later.reads.keyed = stage.reads.keyed
    assert [line.get("error", {}).get("code") for line in exchange.answered[1:3]] == [None, "idempotency_key_reused"]


async def test_a_key_of_a_stream_is_none_for_a_message() -> None:
    stage = Stage()
    exchange = Exchange(stage, key="k1")
    exchange.give(HEAD, row(0), more=False)
    await exchange.done
    problem(await stage.send(key="k1"), 422, "idempotency_key_reused")


async def test_silence_ends_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.uploads._TICK_S", 0.001)
    monkeypatch.setattr("api.uploads.IDLE_S", 0.005)
    exchange = Exchange(Stage())
    exchange.give(HEAD, row(0))
    await exchange.done
    assert exchange.answered[-1]["error"]["code"] == "request_timeout"


async def test_lines_come_as_they_are_read() -> None:
    async def receive() -> dict[str, Any]:
        return pieces.pop(0)

    pieces = [
        {"type": "http.request", "body": body, "more_body": True} for body in (b"a\nb", b"b", b"b\n", b"\r\n \n", b"c")
    ]
    pieces.append({"type": "http.disconnect"})
    found: list[list[bytes]] = []
    lines: AsyncIterator[list[bytes]] = Uploads(1_000, 1_000).lines(receive)

    async def read() -> None:
        async for chunk in lines:
            found.append(chunk)

    with pytest.raises(ClientGone):
        await read()
    assert found == [[b"a"], [b"bbb"]]
