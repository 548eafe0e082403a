"""A message leaves nothing behind that only the garbage collector would find: it seldom looks (runtime.collector)."""

from __future__ import annotations

import gc

from bench import lane

MESSAGES = 2000


def test_a_lane_makes_no_garbage() -> None:
    lane.run(MESSAGES, 100)  # what is made once
    gc.collect()
    gc.disable()
    try:
        lane.run(MESSAGES, 100)
        assert gc.collect() < MESSAGES / 10
    finally:
        gc.enable()
