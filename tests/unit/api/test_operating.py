"""What operators see: carriers, keys, messages in doubt."""

from __future__ import annotations

from api.doubt_routes import DoubtPage
from api.key_routes import KeyList
from api.status import CarrierList
from schemas.codec import encode
from schemas.ids import random_ids, to_text
from schemas.records import CarrierSwitch, LaneStatus
from schemas.status import Status
from store.rows import DoubtRow
from tests.unit.api.stage import ACT, NOW_MS, Stage, problem


async def test_carriers_are_shown_as_their_lanes_told_last() -> None:
    stage = Stage()
    board = stage.services.board
    board.apply(b"alpha/0", encode(LaneStatus("alpha", 0, "bound", NOW_MS, "d1", rate_tps=50.0, queued=(1, 2, 3))))
    board.apply(b"alpha/1", encode(LaneStatus("alpha", 1, "binding", NOW_MS, "d2", "refused: 0x05")))
    stage.book.apply(b"carrier/alpha", encode(CarrierSwitch(ACT, "alpha", "paused", tps=60)))
    body = (await stage.client.get("/v1/carriers")).json()
    CarrierList.model_validate(body)
    alpha, beta, _ = body["data"]
    assert (alpha["state"], alpha["tps"], alpha["binds"], alpha["binds_up"]) == ("paused", 60, 2, 1)
    assert alpha["queued"] == {"otp": 1, "notice": 2, "marketing": 3}
    assert alpha["lanes"][1]["detail"] == "refused: 0x05"
    assert (beta["state"], beta["lanes"][0]["state"], beta["binds_up"]) == ("active", "unknown", 0)


async def test_a_lane_that_is_gone_or_unreadable_is_unknown_or_as_before() -> None:
    stage = Stage()
    board = stage.services.board
    board.apply(b"alpha/0", encode(LaneStatus("alpha", 0, "bound", NOW_MS, "d1")))
    board.apply(b"alpha/0", b"\xc1")
    assert board.lane("alpha", 0) is not None
    board.apply(b"alpha/0", None)
    assert board.lane("alpha", 0) is None


async def test_a_lane_that_nobody_speaks_for_any_more_is_unknown() -> None:
    stage = Stage()
    stage.services.board.apply(b"beta/0", encode(LaneStatus("beta", 0, "bound", NOW_MS, "d1")))
    for waited_s, state in ((99, "bound"), (2, "unknown")):
        stage.clock.advance(waited_s)
        _, beta, _ = (await stage.client.get("/v1/carriers")).json()["data"]
        assert beta["lanes"][0]["state"] == state


async def test_keys_are_listed_without_secrets_and_only_the_accounts_own() -> None:
    stage = Stage()
    other = stage.key("send", account="other")
    response = await stage.client.get("/v1/keys")
    KeyList.model_validate(response.json())
    assert [key["account"] for key in response.json()["data"]] == ["shop"]
    assert stage.token not in response.text
    assert other not in response.text


async def test_doubts_of_the_account_are_listed() -> None:
    stage = Stage()
    one = random_ids(NOW_MS, b"e" * 10)[0]
    stage.reads.doubts = [
        DoubtRow(
            one, "shop", 2, "alpha", 1, 0, 1, "owner_lost", "waiting", NOW_MS, NOW_MS + 600_000, Status.QUEUED, "r"
        ),
        DoubtRow(one, None, 0, "alpha", 2, 0, 0, "no_answer", "resending", NOW_MS, 0, None, None),
    ]
    body = (await stage.client.get("/v1/in-doubt?carrier=alpha&limit=9&cursor=c")).json()
    DoubtPage.model_validate(body)
    assert stage.reads.asked[-1] == ("doubts", "shop", "alpha", 9, "c", True, None)
    first, second = body["data"]
    assert (first["id"], first["class"], first["action"]) == (to_text(one), "marketing", "waiting")
    assert (first["status"], first["client_ref"], second["status"]) == ("queued", "r", None)
    assert (first["until"], second["until"]) == ("2026-09-21T14:23:20.000Z", None)


async def test_a_cursor_of_somebody_else_is_refused() -> None:
    body = problem(await Stage().client.get("/v1/in-doubt?cursor=broken"), 422, "invalid_field")
    assert body["errors"][0]["field"] == "cursor"
