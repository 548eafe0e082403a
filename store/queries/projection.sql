-- Of the recorder's transaction (store.projection).

-- name: advance_positions
-- Compare-and-set of the positions of a batch. Fewer rows than partitions: another recorder was here.
update projection_offsets as o
set next = n.stop
from unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[]) as n (topic, part, start, stop)
where o.topic = n.topic and o.part = n.part and o.next = n.start;

-- name: read_positions
-- Where to go on in each partition of these topics.
select topic, part, next from projection_offsets where topic = any($1::text[]);

-- name: begin_positions
-- First sight of a partition; whoever was faster has decided.
insert into projection_offsets (topic, part, next)
select * from unnest($1::text[], $2::integer[], $3::bigint[])
on conflict do nothing;

-- name: load_messages
-- What is known of messages, as far as the next step needs it.
select id, rev, entries, timeline, cls, carrier, account is not null, accepted_ms, status
from {leaf} where id = any($1::uuid[]);

-- name: change_messages
-- Progress of messages; `changes` is a temporary table. A row whose rev has moved is not changed, and missed by the count.
update {leaf} as m
set rev = m.rev + 1, status = c.status, entries = m.entries + c.entries, updated_ms = c.updated_ms,
    possible_duplicate = c.possible_duplicate, in_doubt = c.in_doubt, timeline = m.timeline || c.timeline,
    smsc_ids = c.smsc_ids, error_code = c.error_code, carrier_status = c.carrier_status, carrier_error = c.carrier_error
from changes as c
where m.id = c.id and m.rev = c.rev;

-- name: create_changes
-- Where COPY puts what change_messages applies.
create temporary table changes (
    id uuid, updated_ms bigint, rev integer, status smallint, entries smallint, possible_duplicate boolean,
    in_doubt boolean, timeline bytea, smsc_ids text, error_code text, carrier_status bigint, carrier_error text
) on commit delete rows;

-- name: clear_changes
-- Before the changes of a second day in one transaction.
delete from changes;

-- name: delete_messages
-- Rows that a newer copy of their message replaces in the same transaction; same rule for rev.
delete from {leaf} as m
using unnest($1::uuid[], $2::integer[]) as c (id, rev)
where m.id = c.id and m.rev = c.rev;

-- name: find_submissions
-- Segments under these keys, of all carriers, on one day.
select key, carrier, id, send, part, check_bits, submitted_ms
from {leaf} where key = any($1::text[]);

-- name: any_parked
-- Whether a receipt waits at all: most batches need not look further.
select exists (select from parked_receipts);

-- name: find_parked
-- Receipts that wait for one of these keys, once each, oldest first.
select carrier, part, log_offset, tries, record
from parked_receipts
where rank = 0 and (carrier, part, log_offset) in (
    select carrier, part, log_offset from parked_receipts where key = any($1::text[])
)
order by at_ms, part, log_offset
limit 20000;

-- name: due_parked
-- Receipts to try again now.
select carrier, part, log_offset, tries, record
from parked_receipts
where rank = 0 and next_ms <= $1
order by next_ms
limit $2
for update skip locked;

-- name: park_receipt
-- A receipt without a submission yet, under one of its keys.
insert into parked_receipts (carrier, part, log_offset, rank, key, at_ms, next_ms, record, tries)
select r.*, 0
from unnest(
    $1::text[], $2::integer[], $3::bigint[], $4::smallint[], $5::text[], $6::bigint[], $7::bigint[], $8::bytea[]
) as r
on conflict do nothing;

-- name: unpark_receipts
-- Matched.
delete from parked_receipts as p
using unnest($1::text[], $2::integer[], $3::bigint[]) as r (carrier, part, log_offset)
where p.carrier = r.carrier and p.part = r.part and p.log_offset = r.log_offset;

-- name: postpone_receipts
-- Not matched: when to look again.
update parked_receipts as p
set next_ms = r.next_ms, tries = least(p.tries + 1, 32000)
from unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[]) as r (carrier, part, log_offset, next_ms)
where p.carrier = r.carrier and p.part = r.part and p.log_offset = r.log_offset and p.rank = 0;

-- name: keep_lost_receipt
-- A receipt that names no message at all: kept for people to read.
insert into receipt_history (carrier, part, log_offset, at_ms, reason, record)
values ($1, $2, $3, $4, $5, $6)
on conflict do nothing;

-- name: open_doubt
-- A message may have been sent. Listed once, whatever is replayed.
insert into in_doubt
    (id, at_ms, attempt, hop, cls, lane, check_bits, until_ms, carrier, reason, action, resolved_ms, resolution)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
on conflict do nothing;

-- name: resolve_doubt
-- An answer or a decision has ended it; the earliest counts, though it may come to be known last.
update in_doubt
set resolved_ms = $6, resolution = $7
where id = $1 and carrier = $2 and attempt = $3 and hop = $4 and at_ms = $5 and reason <> 'possible_duplicate';

-- name: withdraw_repeat
-- It turned out that the second submit was decided on: the first had failed before.
delete from in_doubt where id = $1 and reason = 'possible_duplicate';

-- name: put_due
-- When the scheduler is to look at a message, and why.
insert into due_messages (id, due_ms, reason, attempt, hop)
select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::smallint[], $5::smallint[])
on conflict (id) do update
set due_ms = excluded.due_ms, reason = excluded.reason, attempt = excluded.attempt, hop = excluded.hop;

-- name: drop_due
-- Not any more.
delete from due_messages where id = any($1::uuid[]);

-- name: put_batch
-- A streamed batch is written again with its final counts.
insert into batches (id, account, name, total, accepted, rejected, accepted_ms, updated_ms, complete)
values ($1, $2, $3, $4, $5, $6, $7, $7, $8)
on conflict (id) do update
set name = excluded.name, total = excluded.total, accepted = excluded.accepted, rejected = excluded.rejected,
    accepted_ms = least(batches.accepted_ms, excluded.accepted_ms), updated_ms = excluded.updated_ms,
    complete = excluded.complete
where excluded.updated_ms >= batches.updated_ms;

-- name: put_inbound
-- A message from a handset.
insert into inbound (id, at_ms, lane, account, carrier, number, handset, sealed)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict do nothing;

-- name: put_account
-- The newest word on an account.
insert into accounts (name, suspended, rate_per_s, per_day, updated_ms)
values ($1, $2, $3, $4, $5)
on conflict (name) do update
set suspended = excluded.suspended, rate_per_s = excluded.rate_per_s, per_day = excluded.per_day,
    updated_ms = excluded.updated_ms;

-- name: put_api_key
-- The newest word on a key.
insert into api_keys (id, account, sha256, scopes, live, name, revoked_ms, updated_ms)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (id) do update
set account = excluded.account, sha256 = excluded.sha256, scopes = excluded.scopes, live = excluded.live,
    name = excluded.name, revoked_ms = excluded.revoked_ms, updated_ms = excluded.updated_ms;

-- name: drop_account
-- Its record was deleted from the reference topic.
delete from accounts where name = $1;

-- name: drop_api_key
-- Its record was deleted from the reference topic.
delete from api_keys where id = $1;

-- name: put_audit
-- Who did what, when and why.
insert into audit_log (at_ms, log_offset, kind, subject, actor, reason, what)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict do nothing;

-- name: lower_chore
-- A submit that was projected late: housekeeping must go back to it.
update chores set value = $3 where name = $1 and subject = $2 and value > $3;
