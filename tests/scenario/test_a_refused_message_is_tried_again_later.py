"""A carrier refuses for a while: the scheduler tries again with growing pauses, as attempt 2, and it is delivered."""

from __future__ import annotations

from tests.scenario.cluster import StartCluster


async def test_a_refused_message_is_tried_again_later(start_cluster: StartCluster) -> None:
    async with start_cluster(dispatchers=1) as cluster:
        # ESME_RSUBMITFAIL: temporary. Twice: the lane itself tries once more at once.
        await cluster.fault("error", carrier="alpha", status="ESME_RSUBMITFAIL", times=2)
        await cluster.fault("error", carrier="beta", status="ESME_RSUBMITFAIL", times=2)
        body = {"to": "+8613800000001", "text": "hello", "class": "otp", "sender": "Acme"}
        id = (await cluster.api.post("/v1/messages", json=body)).raise_for_status().json()["id"]

        async def delivered() -> bool:
            rows = await cluster.fetch("select status from audit_messages where id = $1", id)
            return [row["status"] for row in rows] == ["delivered"]

        await cluster.until(delivered, "the message delivered")
        message = (await cluster.api.get(f"/v1/messages/{id}")).raise_for_status().json()
        assert [attempt["n"] for attempt in message["attempts"]] == [1, 2]
        assert [event["type"] for event in message["timeline"]][:4] == ["queued", "refused", "queued", "sent"]
        assert not message["possible_duplicate"]
