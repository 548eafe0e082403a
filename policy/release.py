"""What becomes of a message whose time has come: it goes to a lane as its next turn, waits on, or is over.

Each release is a turn that nobody used before (attempt + 1, or hop + 1 where nothing was sent), so that a lane drops whatever
a crash may have published twice (DESIGN §5, rule 9), and the projection sees that it has happened.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from msgspec.structs import replace

from policy.gate import Drop, Facts, Go, gate
from schemas.records import MtMessage

Reason = Literal["scheduled", "deferred", "retry", "waiting", "resolved"]
LOOK_AGAIN_MS: Final = 1000
"""For what is held by a switch: until it is asked about again."""
MOST_HOPS: Final = 0xFFFF


class Release(NamedTuple):
    """To be published to a lane. `elsewhere`: another carrier of the route should be tried."""

    message: MtMessage
    elsewhere: bool


class Later(NamedTuple):
    """Look again at this time (Unix milliseconds)."""

    until_ms: int


class Over(NamedTuple):
    """Never sent (again). `code`: one of policy.outcomes; the turn it stops."""

    code: str
    attempt: int
    hop: int


def release(
    message: MtMessage, reason: Reason, attempt: int, hop: int, elsewhere: bool, facts: Facts, now_ms: int
) -> Release | Later | Over:
    """`attempt` and `hop`: the newest turn that the projection knows. `elsewhere`: what policy.retry said of a retry."""
    decision = gate(message, facts, now_ms)
    again = reason in ("retry", "waiting", "resolved")
    turn = (attempt + 1, 0) if again else (attempt, hop + 1)
    if isinstance(decision, Drop):
        return Over(decision.code, *turn)
    if not isinstance(decision, Go):
        return Later(max(decision.until_ms, now_ms + LOOK_AGAIN_MS))
    in_doubt = reason in ("waiting", "resolved")
    return Release(
        replace(
            message,
            attempt=turn[0],
            hop=turn[1],
            tried=() if again and not elsewhere else message.tried,
            possible_duplicate=message.possible_duplicate or in_doubt,
        ),
        reason == "retry" and elsewhere,
    )
