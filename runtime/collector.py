"""The garbage collector's pace. What is under way (a batch, a backlog, pending answers) is some hundred thousand objects that
are in no cycle and die by their count; the default pace looks through them again and again: 40 % of the recorder's time,
a third of the dispatcher's (measured)."""

from __future__ import annotations

import gc
from typing import Final

YOUNG: Final = 400_000
"""Objects between two looks: about what two large batches of the recorder make."""


def calm(young: int = YOUNG) -> None:
    """Once a process, when everything is imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(young, 50, 100)
