"""A contract's rate in integer shares: they sum to the contract, so no rounding ever exceeds or wastes it."""

from __future__ import annotations


def share_of(tps: int, lanes: int, lane: int) -> int:
    """Segments a second for lane 0 … lanes - 1; the first `tps % lanes` get one more.

    Raises ValueError for a lane that is not there, or when one would get none.
    """
    if not 0 <= lane < lanes:
        raise ValueError(f"lane {lane} of {lanes}")
    if tps < lanes:
        raise ValueError(f"{tps} tps can't be shared by {lanes} lanes: each needs at least one")
    return tps // lanes + (1 if lane < tps % lanes else 0)
