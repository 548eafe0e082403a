"""What is counted, and what must not be: each check is a query over the tables of books.py that finds offenders."""

from __future__ import annotations

import sqlite3
from typing import Final, NamedTuple

FAILED_STATES: Final = "('UNDELIV', 'EXPIRED', 'REJECTD', 'DELETED')"
FINAL_STATES: Final = "('DELIVRD', 'UNDELIV', 'EXPIRED', 'REJECTD', 'DELETED')"

# accounts: a line a message that the client was told of, with what the journals and Postgres know of it.
# repeated: segments that a carrier took again, though it had not said meanwhile that the message failed (then it is a retry).
# owners: whether somebody was told that they may be repeated.
_ACCOUNTS: Final = f"""
create table accounts as
select
    b.message, b.id, r.id is not null as has_row, coalesce(r.status, '') as status, coalesce(r.is_final, 0) as is_final,
    coalesce(r.duplicate, 0) or coalesce(r.doubt, 0) as marked, coalesce(r.doubt, 0) as doubt,
    coalesce(s.sent, 0) as sent, coalesce(s.parts, 1) as parts,
    coalesce(t.told, 0) as told, coalesce(t.delivered, 0) as delivered, coalesce(t.otherwise, 0) as otherwise
from (select message, max(id) as id from book where id is not null group by message) b
left join rows r on r.id = b.id
left join (select message, count(distinct part) as sent, max(parts) as parts from submits group by message) s
    on s.message = b.message
left join (
    select message, count(distinct part) as told, count(distinct case when state = 'DELIVRD' then part end) as delivered,
        count(distinct case when state <> 'DELIVRD' then part end) as otherwise
    from receipts where acked and message is not null and state in {FINAL_STATES} group by message
) t on t.message = b.message;
create index accounts_message on accounts (message);
create table repeated as
select message, part, count(*) as times, min(at) as first_at, max(next_at) as last_at from (
    select message, part, at, lead(at) over (partition by message, part order by at) as next_at
    from submits where message not like '% ?'
) pairs
where next_at is not null and not exists (
    select 1 from receipts r where r.message = pairs.message and r.state in {FAILED_STATES}
        and r.acked_at between pairs.at and pairs.next_at
) group by message, part;
create index repeated_message on repeated (message);
create table owners as
select message, max(marked) as marked from (
    select message, marked from accounts
    union all
    select s.message, r.duplicate or r.doubt from submits s
    join row_ids i on i.smsc_id = s.id join rows r on r.id = i.id
    where s.message in (select message from repeated) and s.id <> ''
) group by message;
create index owners_message on owners (message);
"""

COUNTS: Final[dict[str, str]] = {
    "accepted": "select count(*) from accounts",
    "unanswered": "select count(distinct message) from book where id is null and message not in (select message from accounts)",
    "submitted": "select count(*) from submits where part = 1",
    "distinct_submitted": "select count(distinct message) from submits where message not like '% ?'",
    "segments_submitted": "select count(*) from submits",
    "rows": "select count(*) from rows",
    "final": "select count(*) from accounts where is_final",
    "delivered": "select count(*) from accounts where status = 'delivered'",
    "receipts_sent": "select count(*) from receipts where sent",
    "receipts_acked": "select count(*) from receipts where acked",
    "possible_duplicates": "select count(*) from rows where duplicate",
    "in_doubt_now": "select count(*) from rows where doubt",
    "repeats": "select coalesce(sum(times), 0) from repeated",
}
"""Figures that are neither good nor bad by themselves."""


class Check(NamedTuple):
    """`query` gives (message, what is wrong) for each offender; none may be there."""

    name: str
    sentence: str
    query: str


_SENT_IN_VAIN: Final = "('queued', 'sent', 'unknown', 'delivered', 'undelivered')"
CHECKS: Final = (
    Check(
        "lost",
        "accepted, and neither submitted nor accounted for",
        f"""
        select message, case when not has_row then 'no row'
            when sent = 0 then 'row says ' || status || ', no carrier got it'
            else 'row says ' || status || ', carriers got ' || sent || ' of ' || parts || ' segments' end
        from accounts
        where not has_row or (sent < parts and status in {_SENT_IN_VAIN} and not doubt)
        """,
    ),
    Check(
        "unlisted_repeats",
        "submitted again, and the row says neither possible_duplicate nor in_doubt",
        """
        select p.message, 'segment ' || p.part || ': ' || p.times || ' more, the last ' ||
            round(p.last_at - p.first_at, 3) || ' s after the first'
        from repeated p left join owners o on o.message = p.message where not coalesce(o.marked, 0)
        """,
    ),
    Check(
        "strangers",
        "submitted, and in no line of the client's book",
        """
        select message, 'to ' || carrier || ', id ' || min(id) from submits
        where message not in (select message from book) group by message, carrier
        """,
    ),
    Check(
        "ids_given_twice",
        "one id for several messages",
        """
        select min(message), 'id ' || id || ' stands for ' || count(distinct message) from book
        where id is not null group by id having count(distinct message) > 1
        """,
    ),
    Check(
        "delivered_without_receipt",
        "row says delivered, and no DELIVRD receipt was acknowledged",
        "select message, 'row ' || id from accounts where status = 'delivered' and delivered = 0",
    ),
    Check(
        "delivered_not_told",
        "all segments have an acknowledged DELIVRD receipt, the row says otherwise",
        """
        select message, 'row says ' || status from accounts
        where is_final and status <> 'delivered' and delivered >= parts and not otherwise and not marked
        """,
    ),
    Check(
        "strange_ids",
        "the row has an id that no carrier gave to this message",
        """
        select a.message, 'id ' || i.smsc_id from accounts a join row_ids i on i.id = a.id
        where not exists (select 1 from submits s where s.message = a.message and s.id = i.smsc_id)
        """,
    ),
    Check(
        "outcomes_lost",
        "answered by the carrier, and the row has no such id and is not marked",
        """
        select s.message, 'segment ' || s.part || ', id ' || s.id from submits s join accounts a on a.message = s.message
        where s.answered and s.id <> '' and a.has_row and not a.marked
            and not exists (select 1 from row_ids i where i.id = a.id and i.smsc_id = s.id)
        """,
    ),
    Check(
        "receipts_lost",
        "final receipts were acknowledged, and the row does not know",
        """
        select a.message, a.told || ' receipts, row says ' || a.status from accounts a
        where a.has_row and not a.is_final and not a.doubt and a.told >= case when :first then 1 else a.parts end
        """,
    ),
)
NOT_FINAL: Final = Check(
    "not_final",
    "accepted, and not over",
    "select message, 'row says ' || status from accounts where has_row and not is_final",
)
"""Asked for when everything should be over."""


def prepare(db: sqlite3.Connection) -> None:
    """Makes the tables that the checks read."""
    db.executescript(_ACCOUNTS)
