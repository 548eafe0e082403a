-- Of the recorder's housekeeping (store.upkeep, store.partitions).

-- name: list_partitions
-- The daily partitions and the default ones.
select p.relname, c.relname
from pg_inherits as i
join pg_class as p on p.oid = i.inhparent
join pg_class as c on c.oid = i.inhrelid
where p.oid = any(array['messages'::regclass, 'submissions'::regclass]::oid[])
and p.relkind = 'p';

-- name: trim_messages_default
-- Rows of the default partition that are past retention, by id.
delete from messages_default where id < $1;

-- name: trim_submissions_default
-- Rows of the default partition that are past retention.
delete from submissions_default where submitted_ms < $1;

-- name: trim_inbound
-- Messages from handsets past retention, some at a time.
delete from inbound where id in (select id from inbound where at_ms < $1 order by at_ms limit 5000);

-- name: trim_receipt_history
-- Unclaimed receipts past retention, some at a time.
delete from receipt_history
where (carrier, part, log_offset) in (
    select carrier, part, log_offset from receipt_history where at_ms < $1 order by at_ms limit 5000
);

-- name: trim_doubts
-- Doubts past retention.
delete from in_doubt where at_ms < $1;

-- name: trim_due
-- Of messages past retention.
delete from due_messages where due_ms < $1;

-- name: give_up_parked
-- Receipts of a carrier that no submission claimed in time become history.
with lost as (
    delete from parked_receipts
    where carrier = $1 and at_ms < $2
    returning carrier, part, log_offset, rank, at_ms, record
)
insert into receipt_history (carrier, part, log_offset, at_ms, reason, record)
select carrier, part, log_offset, at_ms, 'not_claimed', record from lost where rank = 0
on conflict do nothing;

-- name: count_parked
-- Receipts that wait, by carrier.
select carrier, count(*) from parked_receipts where rank = 0 group by carrier;

-- name: count_doubts
-- Messages in doubt, by carrier.
select carrier, count(distinct id) from in_doubt
where resolved_ms is null and reason <> 'possible_duplicate' group by carrier;

-- name: read_chore
-- How far a chore has come.
select value from chores where name = $1 and subject = $2;

-- name: begin_chore
-- First time.
insert into chores (name, subject, value) values ($1, $2, $3) on conflict do nothing;

-- name: advance_chore
-- Done up to here, unless the recorder has set it back meanwhile.
update chores set value = $4 where name = $1 and subject = $2 and value = $3;

-- name: time_out_messages
-- What a carrier took in this time and is still `sent` becomes `unknown`; a late receipt amends it. The entry of the
-- timeline is a fixed head and the time.
update messages as m
set rev = m.rev + 1, status = 60, error_code = 'no_receipt', entries = m.entries + 1, updated_ms = $4,
    timeline = m.timeline || $5::bytea || int8send($4)
from (
    select distinct id from submissions where carrier = $1 and submitted_ms >= $2 and submitted_ms < $3
) as s
where m.id = s.id and m.status = 40;

-- name: anything_projected
-- Whether this database has ever been projected into.
select exists (select from projection_offsets) or exists (select from messages);

-- name: empty_projection
-- Before a rebuild. The audit log stays: Kafka compacts what it was written from.
truncate messages, submissions, parked_receipts, receipt_history, in_doubt, due_messages, batches, inbound, accounts, api_keys,
    projection_offsets, chores;
