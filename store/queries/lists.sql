-- Lists for operators (store.lists).

-- name: list_doubts
-- Doubts, and repeats that nobody listed, newest first, from a cursor on. `{which}` stands for those that last, or all.
select d.id, m.account, d.cls, d.carrier, d.attempt, d.hop, d.lane, d.reason, d.action, d.at_ms, d.until_ms,
    m.status, m.client_ref, d.resolved_ms, d.resolution
from in_doubt as d
left join messages as m on m.id = d.id
where {which}
    and ($1::text is null or m.account = $1)
    and ($2::text is null or d.carrier = $2)
    and (d.at_ms, d.id) < ($3, $4)
    and ($6::bigint is null or d.at_ms >= $6)
order by d.at_ms desc, d.id desc
limit $5;

-- name: messages_by_ids
-- Where messages stand. Nobody is about to send what waits for evidence or is held: a person may decide about it.
select m.id, m.account, m.status, m.in_doubt,
    m.in_doubt and exists (
        select from in_doubt as d
        where d.id = m.id and d.resolved_ms is null and d.action in ('waiting', 'held')
    ) as resolvable
from messages as m
where m.id = any($2::uuid[]) and m.account is not null and ($1::text is null or m.account = $1);

-- name: list_audit
-- What was done, newest first, from a cursor on.
select at_ms, log_offset, kind, subject, actor, reason, what
from audit_log
where ($1::text is null or kind = $1)
    and ($2::text is null or subject = $2)
    and ($3::text is null or actor = $3)
    and ($4::bigint is null or at_ms >= $4)
    and ($5::bigint is null or at_ms < $5)
    and (at_ms, log_offset, kind, subject) < ($6, $7, $8, $9)
order by at_ms desc, log_offset desc, kind desc, subject desc
limit $10;

-- name: list_inbound
-- Messages from handsets to the numbers of an account, or with null everybody's, newest first, from a cursor on.
select id, at_ms, account, carrier, number, sealed
from inbound
where ($1::text is null or account = $1) and (at_ms, id) < ($2, $3)
order by at_ms desc, id desc
limit $4;
