"""Membership of a consumer group through aiokafka's coordinator, without its fetcher: units come and go here, records
are read by `bus.kafka_reader`, positions live in the ledger's commits (dispatcher) or in Postgres (recorder).

Pinned commits (DESIGN §5, rule 4): an OffsetCommitRequest is built from the take and sent on the coordinator's own
connection. aiokafka's commit calls would use whatever generation the client has by then, retry, and reset the membership
when refused: not for ledgers.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import aiokafka.errors as kafka_errors
import msgspec
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest

from bus import broken_writes
from bus.assignor import Claim, UnitAssignor
from bus.ports import Commit, CommitNotSent, CommitRefused, CommitUnknown, GroupListener, Take, TopicPartition
from runtime.logs import logger

broken_writes.mend()
log = logger("bus.member")
AGAIN_S: Final = 1.0
"""After a fault that aiokafka would wait with for ever."""
# UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION, REBALANCE_IN_PROGRESS, FENCED_INSTANCE_ID (which aiokafka has no class for).
_REFUSED: Final = {25: "UnknownMemberId", 22: "IllegalGeneration", 27: "RebalanceInProgress", 82: "FencedInstanceId"}
_THROWN_OUT: Final = (25, 82)
# COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR: nothing was written.
_ELSEWHERE: Final = {14: "CoordinatorLoadInProgress", 15: "CoordinatorNotAvailable", 16: "NotCoordinator"}


class _Coordinator(GroupCoordinator):  # type: ignore[misc]  # aiokafka is not typed
    """Remembers when the last request that kept the session alive was sent: what a zombie's lease is counted from."""

    heard_at = 0.0
    thrown_out: Callable[[str], None]
    """Told of a member id of ours that the broker does not know any more."""
    gave_up = False
    """Joins no more, not even by itself: a join would throw out the process that has our place now."""
    trouble: str | None = None
    """What the membership met that it can't mend but by joining again, until it has."""

    async def _push_error_to_user(self, fault: BaseException) -> None:
        """aiokafka waits here until somebody who reads takes the fault, and here nobody does: so it is told, and the group is
        joined again after a while."""
        if self.trouble != repr(fault):
            self.trouble = repr(fault)
            log.error("membership_fault", group=self.group_id, fault=self.trouble)
        await asyncio.wait([self._closing], timeout=AGAIN_S)
        self.request_rejoin()

    async def _send_req(self, request: Any) -> Any:
        if self.gave_up and isinstance(request, JoinGroupRequest):
            raise kafka_errors.KafkaError("this membership has given up")
        sent, member = time.monotonic(), self.member_id
        response = await super()._send_req(request)
        if isinstance(request, HeartbeatRequest) and response.error_code in _THROWN_OUT:
            self.thrown_out(member)
        if isinstance(request, HeartbeatRequest | SyncGroupRequest) and response.error_code in (0, 27):
            self.heard_at = max(self.heard_at, sent)
        return response


class KafkaMember:
    """See bus.ports.Member."""

    def __init__(
        self,
        bootstrap: str,
        group: str,
        topics: Sequence[str],
        claim: Claim,
        listener: GroupListener,
        *,
        session_timeout_ms: int,
        static: bool = True,
        thrown_out: Callable[[], bool] = lambda: True,
    ) -> None:
        """`thrown_out`: told at once, once a membership, that the broker no longer knew it: after a pause that was too
        long, or another's join as us. Gives whether to join again."""
        self._group = group
        self._topics = list(topics)
        self._listener = listener
        self._session_timeout_ms = session_timeout_ms
        self._static = static
        self._assignor = UnitAssignor(group, claim)
        self._client = AIOKafkaClient(
            bootstrap_servers=bootstrap, client_id=claim.instance, request_timeout_ms=max(session_timeout_ms, 5000)
        )
        self._subscription: Any = None
        self._coordinator: _Coordinator | None = None
        self._heard_at = 0.0
        self._thrown_out = thrown_out
        self._last_thrown_out = ""

    async def start(self) -> None:
        await self._client.bootstrap()
        await self._client.set_topics(self._topics)
        self._subscription = subscription = SubscriptionState()
        subscription._fetch_count = 1  # never idle: reading is done elsewhere, so max_poll_interval must not end us
        subscription.register_fetch_waiters(set())
        subscription.subscribe(set(self._topics), listener=_Listener(self))
        self._coordinator = _Coordinator(
            self._client,
            subscription,
            group_id=self._group,
            group_instance_id=self._assignor.claim.instance if self._static else None,
            session_timeout_ms=self._session_timeout_ms,
            heartbeat_interval_ms=max(self._session_timeout_ms // 6, 200),
            rebalance_timeout_ms=max(self._session_timeout_ms * 2, 10_000),
            enable_auto_commit=False,
            assignors=(self._assignor,),
            max_poll_interval_ms=2**31 - 1,
        )
        self._coordinator.thrown_out = self._on_thrown_out

    async def stop(self, leave: bool) -> None:
        coordinator = self._coordinator
        if coordinator is not None:
            self._coordinator = None
            if leave and self._static and coordinator.generation > 0:
                await self._leave(coordinator)
            await coordinator.close()
        await self._client.close()

    async def _leave(self, coordinator: _Coordinator) -> None:
        try:
            await self._send(coordinator, LeaveGroupRequest(self._group, coordinator.member_id), 2.0)
        except (CommitNotSent, CommitUnknown) as fault:
            log.warning("leave_failed", group=self._group, fault=str(fault))

    def claim(self, config: str, units: int) -> None:
        """Another configuration: joins again with it."""
        self._assignor.claim = msgspec.structs.replace(self._assignor.claim, config=config, units=units)
        if self._coordinator is not None:
            self._coordinator.request_rejoin()

    @property
    def heard_at(self) -> float:
        coordinator = self._coordinator
        return max(self._heard_at, coordinator.heard_at if coordinator else 0.0)

    def rejoin(self) -> None:
        if self._coordinator is not None:
            # Without a member id the join makes a new one, and what the old one still has under way is refused.
            self._assignor.claim = msgspec.structs.replace(self._assignor.claim, nonce=self._assignor.claim.nonce + 1)
            self._coordinator.reset_generation()

    def fault(self) -> str | None:
        """Why the membership can't go on, or None."""
        if self._coordinator is None:
            return None
        task = self._coordinator._coordination_task
        if task is not None and task.done() and not task.cancelled() and task.exception() is not None:
            return str(task.exception())
        return self._coordinator.trouble

    async def committed(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, Commit | None]:
        wanted = list(partitions)
        coordinator = self._coordinator
        if coordinator is None:
            raise CommitNotSent("not a member")
        found = await coordinator.fetch_committed_offsets(wanted)
        return {tp: Commit(found[tp].offset, found[tp].metadata) if tp in found else None for tp in wanted}

    async def commit(self, take: Take, commits: Mapping[TopicPartition, Commit], timeout_s: float) -> None:
        coordinator = self._coordinator
        if coordinator is None:
            raise CommitNotSent("not a member")
        if not commits:
            return
        topics: defaultdict[str, list[tuple[int, int, str]]] = defaultdict(list)
        for tp, commit in commits.items():
            topics[tp.topic].append((tp.partition, commit.offset, commit.metadata))
        request = OffsetCommitRequest(self._group, take.generation, take.member, -1, list(topics.items()))
        sent = time.monotonic()
        response = await self._send(coordinator, request, timeout_s)
        codes = {code for _, partitions in response.topics for _, code in partitions}
        if codes == {0}:
            self._heard_at = max(self._heard_at, sent)
            return
        if codes & set(_THROWN_OUT):
            self._on_thrown_out(take.member)
        for code in codes & set(_REFUSED):
            raise CommitRefused(_REFUSED[code])
        if codes <= set(_ELSEWHERE):
            coordinator.coordinator_dead()
            raise CommitNotSent(_ELSEWHERE[codes.pop()])
        raise CommitUnknown(", ".join(kafka_errors.for_code(code).__name__ for code in codes))

    async def _send(self, coordinator: _Coordinator, request: Any, timeout_s: float) -> Any:
        node = coordinator.coordinator_id
        if node is None:
            raise CommitNotSent("the group's coordinator is not known")
        try:
            async with asyncio.timeout(timeout_s):
                if not await self._client.ready(node, group=ConnectionGroup.COORDINATION):
                    raise CommitNotSent("the group's coordinator is not connected")
                return await self._client.send(node, request, group=ConnectionGroup.COORDINATION)
        except kafka_errors.NodeNotReadyError as fault:
            raise CommitNotSent(str(fault)) from None
        except TimeoutError:
            raise CommitUnknown(f"no answer in {timeout_s} s") from None
        except kafka_errors.KafkaError as fault:
            coordinator.coordinator_dead()
            raise CommitUnknown(str(fault)) from None

    def _on_thrown_out(self, member: str) -> None:
        # Once a membership, whether a heartbeat or a commit noticed it; "" is nobody's.
        if member and member != self._last_thrown_out:
            self._last_thrown_out = member
            if not self._thrown_out() and self._coordinator is not None:
                self._coordinator.gave_up = True

    async def _on_revoked(self) -> None:
        await self._listener.revoked()

    def _on_assigned(self) -> None:
        coordinator, granted = self._coordinator, self._assignor.granted
        if coordinator is None or granted is None:
            return
        coordinator.trouble = None
        take = Take(coordinator.generation, coordinator.member_id)
        self._listener.assigned(take, granted.units, granted.in_force)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is not typed
    def __init__(self, member: KafkaMember) -> None:
        self._member = member

    async def on_partitions_revoked(self, _revoked: object) -> None:
        await self._member._on_revoked()

    def on_partitions_assigned(self, _assigned: object) -> None:
        self._member._on_assigned()
