"""An api on a stage: the real app over Kafka's in-memory twin, a read side of dictionaries, and a client."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from api.acceptance import Desk
from api.acts import Acts
from api.app import create_app
from api.door import Door
from api.entrance import entrance_through
from api.idempotency import KeyedLookups
from api.intake import Intake
from api.issuing import ID_BYTES, SECRET_BYTES, issue
from api.posting import Posting
from api.quotas import Quotas
from api.reference import ReferenceBook
from api.services import Services
from api.status import StatusBoard
from api.uploads import Uploads
from bus.memory import MemoryCluster, MemoryPublisher
from bus.ports import TopicPartition
from runtime.clock import ManualClock
from runtime.errors import UnavailableError
from runtime.health import Health
from schemas.carriers import CarrierBook
from schemas.codec import decode_intake, decode_mt, decode_reference, encode
from schemas.records import Account, Act, BatchAccepted, MtMessage, Record
from schemas.sealing import BlindIndex, Sealer
from schemas.status import Status
from schemas.topics import Topics
from store.rows import (
    AuditFilter,
    AuditRow,
    BatchRow,
    DoubtRow,
    InboundRow,
    KeyedRow,
    MessageFilter,
    MessageRow,
    StandingRow,
)
from tests.unit.api.wire import Through

N = TypeVar("N", bound=Record)
ACT = Act("tester", "test", 0)
TOPICS = Topics("t.")
NOW_MS = 1_790_000_000_000
SEND = {"to": "+8613800000000", "text": "Hello", "sender": "Acme"}
DEFAULTS = {"text": "Hello", "sender": "Acme"}
CARRIERS: dict[str, Any] = {
    "carriers": {
        "alpha": {"host": "h", "port": 1, "system_id": "a", "tps": 100, "lanes": 2, "price": "0.032", "test": True},
        "beta": {"host": "h", "port": 2, "system_id": "b", "tps": 100, "price": "0.0041", "long_message": "payload"},
        "gamma": {"host": "h", "port": 3, "system_id": "c", "tps": 100, "default_alphabet": "latin1"},
    },
    "routes": [
        {"prefix": "86", "carriers": {"alpha": 1}, "fallback": ["beta"]},
        {"prefix": "44", "carriers": {"beta": 1}},
        {"prefix": "49", "carriers": {"gamma": 1}, "classes": ["otp"]},
    ],
}


@dataclass
class FakeReads:
    """See api.readside.ReadSide: what tests put in."""

    messages: dict[bytes, MessageRow] = field(default_factory=dict)
    batches: dict[bytes, BatchRow] = field(default_factory=dict)
    keyed: dict[bytes, KeyedRow] = field(default_factory=dict)
    doubts: list[DoubtRow] = field(default_factory=list)
    standings: dict[bytes, StandingRow] = field(default_factory=dict)
    audit: list[AuditRow] = field(default_factory=list)
    inbound: list[InboundRow] = field(default_factory=list)
    accepted: dict[str, int] = field(default_factory=dict)
    away: bool = False
    asked: list[Any] = field(default_factory=list)

    def _ask(self, *question: Any) -> None:
        self.asked.append(question)
        if self.away:
            raise UnavailableError("Postgres is not reachable at 10.0.0.7:5432", "start it")

    async def get_message(self, account: str | None, id: bytes) -> MessageRow | None:
        self._ask("message", id)
        row = self.messages.get(id)
        return row if row is not None and account in (None, row.account) else None

    async def list_messages(
        self, account: str | None, chosen: MessageFilter, cursor: str | None, limit: int
    ) -> tuple[Sequence[MessageRow], str | None]:
        self._ask("list", account, chosen, cursor, limit)
        if cursor == "broken":
            raise ValueError("not a cursor")
        return [row for row in self.messages.values() if row.account == account][:limit], "more"

    async def get_batch(self, account: str | None, id: bytes) -> BatchRow | None:
        self._ask("batch", id)
        row = self.batches.get(id)
        return row if row is not None and account in (None, row.account) else None

    async def list_in_doubt(
        self,
        account: str | None,
        carrier: str | None,
        limit: int,
        cursor: str | None,
        *,
        open_only: bool,
        since_ms: int | None,
    ) -> tuple[Sequence[DoubtRow], str | None]:
        self._ask("doubts", account, carrier, limit, cursor, open_only, since_ms)
        if cursor == "broken":
            raise ValueError("not a cursor")
        return self.doubts, None

    async def messages_by_ids(self, account: str | None, ids: list[bytes]) -> dict[bytes, StandingRow]:
        self._ask("standings", account, ids)
        found = (self.standings.get(one) for one in ids)
        return {row.id: row for row in found if row is not None and account in (None, row.account)}

    async def list_audit(
        self, chosen: AuditFilter, cursor: str | None, limit: int
    ) -> tuple[Sequence[AuditRow], str | None]:
        self._ask("audit", chosen, cursor, limit)
        if cursor == "broken":
            raise ValueError("not a cursor")
        return self.audit[:limit], "more" if len(self.audit) > limit else None

    async def list_inbound(
        self, account: str | None, cursor: str | None, limit: int
    ) -> tuple[Sequence[InboundRow], str | None]:
        self._ask("inbound", account, cursor, limit)
        if cursor == "broken":
            raise ValueError("not a cursor")
        return [row for row in self.inbound if row.account == account][:limit], None

    async def count_accepted(self, account: str, since_ms: int) -> int:
        self._ask("accepted", account, since_ms)
        return self.accepted.get(account, 0)

    async def find_keyed(self, ids: list[bytes]) -> dict[bytes, KeyedRow]:
        self._ask("keyed", ids)
        return {one: self.keyed[one] for one in ids if one in self.keyed}


class Stage:
    """`timeout_s`: how long a request waits for Kafka. Its clock stands still until it is advanced."""

    def __init__(self, *, timeout_s: float = 0.05, max_body: int = 200_000, max_recipients: int = 100) -> None:
        self.clock = ManualClock(wall_ms=NOW_MS)
        self.cluster = MemoryCluster(self.clock)
        self.carriers = CarrierBook.model_validate(CARRIERS)
        for spec in TOPICS.all([(each.name, each.partitions) for each in self.carriers.carriers.values()]):
            self.cluster.create(spec.name, spec.partitions)
        self.publisher = MemoryPublisher(self.cluster)
        self.reads = FakeReads()
        self.sealer = Sealer({1: b"k" * 32}, b"123456")
        self.blind = BlindIndex(b"i" * 32)
        self.book = ReferenceBook()
        self._draws = itertools.count()
        self.desk = Desk(
            intake=Intake(self.carriers, (), TOPICS, self.sealer, self.blind),
            posting=Posting(self.publisher, timeout_s, 1 << 20),
            lookups=KeyedLookups(self.reads.find_keyed, self.clock),
            reads=self.reads,
            clock=self.clock,
            entropy=self.entropy,
            index_key=self.blind.key,
            max_recipients=max_recipients,
            suspended=self.book.suspended,
            quotas=Quotas(self.book.account, self.clock),
        )
        self.services = Services(
            desk=self.desk,
            book=self.book,
            board=StatusBoard(self.clock),
            carriers=self.carriers,
            reads=self.reads,
            uploads=Uploads(max_body, 1 << 20),
            sealer=self.sealer,
            blind=self.blind,
            clock=self.clock,
            health=Health(),
            acts=Acts(self.desk.posting, TOPICS, self.book, self.clock, self.catch_up),
        )
        self.app = create_app(self.services)
        self.entrance = entrance_through(Door(self.services, self.app))
        self.token = self.key("send,read,read:content,admin")
        self.client = self.client_of(self.token)

    async def catch_up(self) -> None:
        """The book follows nothing here: it has what tests, and this process itself, apply."""

    def entropy(self, count: int) -> bytes:
        return b"".join(next(self._draws).to_bytes(10, "big") for _ in range(-(-count // 10)))[:count]

    def key(self, scopes: str, *, account: str = "shop", live: bool = True) -> str:
        """A new key's secret; its records are applied as the topic would."""
        number = next(self._draws)
        seed = number.to_bytes(SECRET_BYTES, "big") + number.to_bytes(ID_BYTES, "big")
        issued = issue(self.book, ACT, account, "test", scopes.split(","), live=live, entropy=seed)
        for name, value in issued.entries:
            assert name is not None
            self.book.apply(name, value)
        return issued.secret

    def client_of(self, token: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=Through(self.entrance, self.app),
            base_url="http://api",
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )

    def suspend(self, account: str, suspended: bool = True) -> None:
        self.book.apply(b"account/" + account.encode(), encode(Account(ACT, account, suspended)))

    def limit(self, rate_per_s: int = 0, per_day: int = 0, account: str = "shop") -> None:
        self.book.apply(b"account/" + account.encode(), encode(Account(ACT, account, False, rate_per_s, per_day)))

    async def send(self, key: Any = None, **changes: Any) -> httpx.Response:
        """POST /v1/messages with SEND, changed. `key`: the Idempotency-Key."""
        headers = {} if key is None else {"Idempotency-Key": str(key)}
        return await self.client.post("/v1/messages", json={**SEND, **changes}, headers=headers)

    async def batch(self, messages: list[Any], key: str | None = None, **more: Any) -> httpx.Response:
        """POST /v1/batches with DEFAULTS."""
        headers = {} if key is None else {"Idempotency-Key": key}
        body = {"defaults": DEFAULTS, "messages": messages, **more}
        return await self.client.post("/v1/batches", json=body, headers=headers)

    async def drained(self) -> None:
        """Returns when nothing waits for Kafka any more."""
        while self.publisher.backlog_bytes:
            await asyncio.sleep(0.001)

    def published(self) -> list[MtMessage]:
        """Every message in every queue."""
        return [
            decode_mt(record.value)
            for (topic, _), log in self.cluster.logs.items()
            if topic.startswith("t.mt.")
            for record in log
            if record.value is not None
        ]

    def batches(self) -> list[BatchAccepted]:
        """Every record of a batch, in the order of each partition."""
        return self.noted(BatchAccepted)

    def noted(self, kind: type[N]) -> list[N]:
        """Every record of a kind in `intake`, in the order of each partition."""
        found = [
            decode_intake(record.value)
            for (topic, _), log in self.cluster.logs.items()
            if topic == TOPICS.intake
            for record in log
            if record.value is not None
        ]
        return [record for record in found if isinstance(record, kind)]

    def referred(self) -> dict[bytes, Any]:
        """`reference` as compaction would leave it."""
        log = self.cluster.logs[TopicPartition(TOPICS.reference, 0)]
        return {record.key: decode_reference(record.value) for record in log if record.key and record.value}

    def project(self, message: MtMessage, **changes: Any) -> MessageRow:
        """The row that the recorder would make of a message; it is there from now on."""
        extras = message.extras
        row = MessageRow(
            id=message.id,
            account=message.account,
            cls=message.cls,
            carrier=message.carrier,
            status=changes.pop("status", Status.QUEUED),
            sealed=message.sealed,
            accepted_ms=message.accepted_ms,
            expires_ms=message.expires_ms,
            updated_ms=message.accepted_ms,
            alphabet=message.alphabet,
            segments=message.segments,
            price_micros=message.price_micros,
            currency=message.currency,
            possible_duplicate=False,
            in_doubt=False,
            client_ref=message.client_ref,
            batch=message.batch,
            campaign=extras.campaign if extras else None,
            tags=extras.tags if extras else (),
            metadata=(extras.metadata or {}) if extras else {},
            body_hash=message.body_hash,
            not_before_ms=message.not_before_ms,
            **{"error_code": None, "carrier_status": None, "carrier_error": None, **changes},
        )
        self.reads.messages[message.id] = row
        if message.body_hash is not None:
            self.reads.keyed[message.id] = KeyedRow(message.id, message.body_hash)
        return row


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The body of a problem, which it must be."""
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json"), (
        response.text
    )
    body: dict[str, Any] = response.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, f"/errors/{code}"), body
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["detail"]
    assert body["remedy"]
    return body
