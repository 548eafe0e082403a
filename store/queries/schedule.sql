-- Of the scheduler (store.schedule).

-- name: hold_lock
-- A session is known by the lock that it holds while it lives.
select pg_advisory_lock($1);

-- name: claim_due
-- Messages whose time has come, with all that is known of them; locked until the end of the transaction. What is released
-- already, and not projected yet, is left out.
select d.id, d.attempt, d.hop, d.reason, m.record, m.timeline, m.entries
from due_messages as d
left join messages as m on m.id = d.id
where d.due_ms <= $1 and not exists (select from releases as r where r.id = d.id)
order by d.due_ms
limit $2
for update of d skip locked;

-- name: fix_releases
-- What will be published.
insert into releases (id, fixed_ms, owner, attempt, hop, topic, part, key, value)
select id, $2, $1, attempt, hop, topic, part, key, value
from unnest($3::uuid[], $4::smallint[], $5::smallint[], $6::text[], $7::integer[], $8::bytea[], $9::bytea[])
    as r (id, attempt, hop, topic, part, key, value);

-- name: take_due
-- Not due any more: it is in releases.
delete from due_messages where id = any($1::uuid[]);

-- name: put_off_due
-- To be looked at again.
update due_messages as d
set due_ms = p.due_ms
from unnest($1::uuid[], $2::bigint[]) as p (id, due_ms)
where d.id = p.id;

-- name: acknowledge_releases
-- Kafka has them.
update releases as r
set acked = true
from unnest($1::uuid[], $2::smallint[], $3::smallint[]) as a (id, attempt, hop)
where r.id = a.id and r.attempt = a.attempt and r.hop = a.hop;

-- name: releases_of
-- Releases of a session, with what the projection knows of their messages. $2: acknowledged ones, or the others.
select r.id, r.attempt, r.hop, r.topic, r.part, r.key, r.value, m.timeline, m.entries
from releases as r
left join messages as m on m.id = r.id
where r.owner = $1 and r.acked = $2
limit $3;

-- name: forget_releases
-- The projection knows of them.
delete from releases where id = any($1::uuid[]);

-- name: release_owners
-- Whose releases there are.
select distinct owner from releases where owner <> $1;

-- name: lock_is_free
-- Whether a session is gone. Takes its lock, so that only one heir is there; unlock_owner gives it back.
select pg_try_advisory_lock($1);

-- name: unlock_owner
-- After an inheritance.
select pg_advisory_unlock($1);

-- name: inherit_releases
-- A session that is gone: its releases are ours.
update releases set owner = $2 where owner = $1;

-- name: due_oldest
-- How long the oldest message that is due has waited, and how many are due.
select coalesce(min(due_ms), 0), count(*) from (
    select due_ms from due_messages as d
    where due_ms <= $1 and not exists (select from releases as r where r.id = d.id)
    order by due_ms limit 100000
) as waiting;

-- name: open_doubts
-- Doubts that last, of carriers of which some wait for evidence. check_bits 0: its destination was not known.
select d.id, d.carrier, d.check_bits, d.at_ms, d.action = 'waiting', m.account
from in_doubt as d
join messages as m on m.id = d.id
where d.resolved_ms is null and d.reason <> 'possible_duplicate' and m.account is not null
    and d.carrier in (select carrier from in_doubt where resolved_ms is null and action = 'waiting')
limit 50000;

-- name: unclaimed_receipts
-- Receipts of these carriers that no submission has claimed, looked for a few times already.
select carrier, part, log_offset, record
from parked_receipts
where rank = 0 and carrier = any($1::text[]) and at_ms >= $2 and tries >= 3
order by at_ms
limit 20000;
