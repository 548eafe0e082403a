"""The garbage collector's pace. A batch makes some hundred thousand objects that all live until its end and are in no
cycle; the default pace looks through them again and again: 40 % of the recorder's time (measured)."""

from __future__ import annotations

import gc
from typing import Final

YOUNG: Final = 400_000
"""Objects between two looks: about what two large batches make."""


def calm() -> None:
    """Once a process, when everything is imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 50, 100)
