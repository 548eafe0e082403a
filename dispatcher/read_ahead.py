"""How far a lane reads ahead of its turn: partitions pause, nobody sleeps in the consumer loop (DESIGN §4)."""

from __future__ import annotations

from collections.abc import Mapping

from bus.ports import Reader, TopicPartition
from dispatcher.lane import Lane
from dispatcher.reservations import Where
from schemas.classes import CLASS_NAMES


class ReadAhead:
    """Reads the queues of a class on while its backlog has room. `wheres`: the lane's queues."""

    def __init__(self, lane: Lane, wheres: Mapping[TopicPartition, Where]) -> None:
        self._lane = lane
        self._wheres = wheres
        self._paused: set[TopicPartition] = set()

    def __bool__(self) -> bool:
        """Whether anything is paused."""
        return bool(self._paused)

    def regulate(self, reader: Reader) -> None:
        """Pauses and resumes. A queue whose open records were not read since the take goes on in any case: until they are
        read nothing is written, so that the backlog of its class would stay full for ever."""
        for cls in range(len(CLASS_NAMES)):
            queues = {tp for tp, where in self._wheres.items() if where[0] == cls}
            if self._lane.backlog.full(cls):
                stop = {tp for tp in queues - self._paused if not self._lane.awaits(self._wheres[tp])}
                if stop:
                    self._paused |= stop
                    reader.pause(list(stop))
            elif self._lane.backlog.low(cls) and (go := queues & self._paused):
                self._paused -= go
                reader.resume(list(go))
