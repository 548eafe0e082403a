"""Sets records aside: publishes them to `dead-letters` and waits until Kafka has them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from bus.ports import Publisher
from runtime.logs import logger
from schemas.codec import encode
from schemas.records import DeadLetter
from schemas.topics import Topics

log = logger("recorder.dead_letters")
PAUSE_S: Final = 1.0


class DeadLetters:
    """A publisher that is started when the first record needs it: most recorders never have one."""

    def __init__(self, make_publisher: Callable[[], Publisher], topics: Topics) -> None:
        self._make_publisher = make_publisher
        self._topic = topics.dead_letters
        self._publisher: Publisher | None = None

    async def __call__(self, letters: Sequence[DeadLetter]) -> None:
        """Returns when all are acknowledged; waits for Kafka as long as it takes."""
        publisher = await self._started()
        acked: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(fault: Exception | None) -> None:
            if not acked.done():
                if fault is None:
                    acked.set_result(None)
                else:
                    acked.set_exception(fault)

        entries = [(letter.topic.encode(), encode(letter)) for letter in letters]
        publisher.publish(self._topic, 0, entries, done, lasting=True)
        await acked
        for letter in letters:
            log.error(
                "record_set_aside",
                topic=letter.topic,
                partition=letter.partition,
                offset=letter.offset,
                reason=letter.reason,
            )

    async def _started(self) -> Publisher:
        while self._publisher is None:
            publisher = self._make_publisher()
            try:
                await publisher.start()
                self._publisher = publisher
            except (OSError, RuntimeError) as fault:
                log.warning("kafka_not_reachable", fault=str(fault))
                await asyncio.sleep(PAUSE_S)
        return self._publisher

    async def stop(self) -> None:
        if self._publisher is not None:
            await self._publisher.stop()
