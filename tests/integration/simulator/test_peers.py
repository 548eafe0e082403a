"""Clients that share no code with us talk to the simulator: what they read is what it meant."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import aiosmpplib
import pytest
import smpp34

from smpp.core.constants import Tag
from tests.integration.simulator.process import Running, simulator


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with simulator("--account", "alpha:secret:500tps") as started:
        yield started


async def test_smpp34_submits_and_gets_its_receipt(running: Running) -> None:
    client = smpp34.Client("127.0.0.1", running.port, "alpha", "secret")
    smsc = await client.connect()
    answer = await smsc.submit_sm("8613800000001", b"from smpp34", source_addr="Acme", registered_delivery=1)
    assert answer.is_success
    assert answer.message_id
    receipt = await asyncio.wait_for(smsc.next(), 10)
    assert isinstance(receipt, smpp34.DeliverSmEvent)
    assert (receipt.source_addr, receipt.destination_addr, receipt.esm_class) == ("8613800000001", "Acme", 4)
    assert receipt.short_message.startswith(b"id:%s sub:001" % answer.message_id.encode())
    assert {tlv.tag: tlv.value for tlv in receipt.tlvs} == {
        Tag.RECEIPTED_MESSAGE_ID: answer.message_id.encode() + b"\0",
        Tag.MESSAGE_STATE: b"\x02",
        Tag.NETWORK_ERROR_CODE: b"\x03\0\0",
    }
    await smsc.unbind()
    await client.stop()


class Heard(aiosmpplib.AbstractHook):  # type: ignore[misc]  # the library has no types
    """Keeps what came."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.came = asyncio.Event()

    async def sending(self, smpp_message: Any, pdu: bytes, client_id: str) -> None:
        assert pdu

    async def received(self, smpp_message: Any, pdu: bytes, client_id: str) -> None:
        self.messages.append(smpp_message)
        self.came.set()

    async def send_error(self, smpp_message: Any, error: Exception, client_id: str) -> None:
        raise error

    async def first(self, kind: type) -> Any:
        async with asyncio.timeout(10):
            while not (found := [message for message in self.messages if isinstance(message, kind)]):
                self.came.clear()
                await self.came.wait()
        return found[0]


async def test_aiosmpplib_submits_and_gets_its_receipt(running: Running) -> None:
    heard = Heard()
    client = aiosmpplib.ESME("127.0.0.1", running.port, "alpha", "secret", hook=heard, log_level="ERROR")
    task = asyncio.create_task(client.start())
    try:
        message = aiosmpplib.SubmitSm(
            short_message="from aiosmpplib",
            source=aiosmpplib.PhoneNumber("Acme"),
            destination=aiosmpplib.PhoneNumber("8613800000002"),
            log_id="one",
        )
        await client.broker.enqueue(message)
        answer = await heard.first(aiosmpplib.SubmitSmResp)
        assert answer.command_status == aiosmpplib.SmppCommandStatus.ESME_ROK
        receipt = await heard.first(aiosmpplib.DeliverSm)
        assert receipt.is_receipt()
        told = receipt.parse_receipt()
        assert (str(told["id"]), told["stat"]) == (answer.message_id, "DELIVRD")
    finally:
        await client.stop()
        task.cancel()
    assert running.stats()["accounts"]["alpha"]["receipts"]["acked"] >= 1
