"""`outstanding`: no more is sent than may be on its way to the end."""

from __future__ import annotations

import asyncio

import pytest

from load.figures import Figures
from load.messages import Mix
from load.options import Options
from load.work import Work

PARTS = ({"otp": 1}, {"short": 1}, {"86138": 1}, "Acme")


def work(outstanding: int | None, figures: Figures) -> Work:
    options = Options(("http://127.0.0.1:1",), "k", outstanding=outstanding, connections=1)
    return Work(options, Mix(*PARTS), None, figures, None)


async def waits(one: Work) -> bool:
    """Whether a worker has to wait now."""
    task = asyncio.create_task(one.room())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    done = task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return not done


@pytest.mark.parametrize(
    ("accepted", "in_flight", "ended", "full"),
    [(0, 0, 0, False), (99, 0, 0, False), (100, 0, 0, True), (60, 40, 0, True), (1000, 40, 941, False)],
)
async def test_accepted_and_not_over_and_what_is_being_sent_count(
    accepted: int, in_flight: int, ended: int, full: bool
) -> None:
    figures = Figures(1)
    figures.accepted, figures.in_flight, figures.ended = accepted, in_flight, ended
    assert await waits(work(100, figures)) is full


async def test_without_a_bound_nobody_waits() -> None:
    figures = Figures(1)
    figures.accepted = 10**9
    assert not await waits(work(None, figures))


async def test_who_waits_goes_on_when_room_is_made_or_the_run_is_stopped() -> None:
    figures = Figures(1)
    figures.accepted = 100
    one = work(100, figures)
    for free in (lambda: setattr(figures, "ended", 1), one.stop):
        figures.ended = 0
        task = asyncio.create_task(one.room())
        await asyncio.sleep(0)
        assert not task.done()
        free()
        await asyncio.wait_for(task, 5)
