"""A carrier takes a message and never answers: marketing is held, in doubt, until an operator decides; then it goes again,
marked as a possible duplicate, once."""

from __future__ import annotations

from dev.carriers import Simulated
from tests.scenario.cluster import StartCluster

HELD = {"in_doubt": {"otp": "resend", "notice": "resend", "marketing": "hold"}, "submit_timeout_s": 2}


async def test_a_held_message_is_sent_when_somebody_says_so(start_cluster: StartCluster) -> None:
    async with start_cluster(carriers=[Simulated("alpha", options=HELD)], dispatchers=1) as cluster:
        fault = await cluster.fault("silence", carrier="alpha", for_s=60)
        body = {"to": "+8613800000001", "text": "hello", "class": "marketing", "sender": "Acme"}
        id = (await cluster.api.post("/v1/messages", json=body)).raise_for_status().json()["id"]

        async def held() -> bool:
            rows = await cluster.fetch("select status from audit_messages where id = $1 and in_doubt", id)
            return [row["status"] for row in rows] == ["held"]

        await cluster.until(held, "the message held")
        listed = (await cluster.api.get("/v1/in-doubt")).raise_for_status().json()["data"]
        assert [(row["id"], row["action"], row["open"]) for row in listed] == [(id, "held", True)]
        (await cluster.control.delete(f"/faults/{fault}")).raise_for_status()
        order = {"ids": [id], "action": "resend", "reason": "the carrier has no trace of it"}
        told = (await cluster.api.post("/v1/in-doubt/resolve", json=order)).raise_for_status().json()
        assert told["accepted"] == 1

        async def delivered() -> bool:
            rows = await cluster.fetch("select status from audit_messages where id = $1 and possible_duplicate", id)
            return [row["status"] for row in rows] == ["delivered"]

        await cluster.until(delivered, "the message delivered, marked as a possible duplicate")
        message = (await cluster.api.get(f"/v1/messages/{id}")).raise_for_status().json()
        assert [attempt["n"] for attempt in message["attempts"]] == [2]
        assert [event["type"] for event in message["timeline"]][:4] == ["queued", "in_doubt", "resolved", "queued"]
        ended = (await cluster.api.get("/v1/in-doubt?open=false")).raise_for_status().json()["data"]
        assert [(row["open"], row["resolution"]) for row in ended] == [(False, "resend")]
        audit = (await cluster.api.get("/v1/audit?kind=in_doubt")).raise_for_status().json()["data"]
        assert [(row["subject"], row["reason"]) for row in audit] == [(id, "the carrier has no trace of it")]
