-- Of the read side (store.reads). Rows of messages that are still to come (account is null) are left out everywhere.

-- name: get_message
-- One message with its timeline.
select id, account, cls, carrier, status, record, accepted_ms, expires_ms, updated_ms, segments, price_micros, currency,
    possible_duplicate, in_doubt, client_ref, batch, campaign, tags, error_code, carrier_status, carrier_error,
    timeline, entries
from messages
where id = $2 and account is not null and ($1::text is null or account = $1);

-- name: find_keyed
-- Messages of idempotent requests, by their ids, which are of one day or two: the bounds leave out all other partitions.
select id, record from messages where id = any($1::uuid[]) and id >= $2 and id < $3 and record is not null;

-- name: list_messages
-- A page of an account's (or, with null, everybody's) messages, newest first, from a cursor on. `{where}` stands for
-- the filters asked for; each is one of store.reads.
select id, account, cls, carrier, status, record, accepted_ms, expires_ms, updated_ms, segments, price_micros, currency,
    possible_duplicate, in_doubt, client_ref, batch, campaign, tags, error_code, carrier_status, carrier_error
from messages
where {where}
order by accepted_ms desc, id desc
limit $1;

-- name: list_all_messages
-- The same for everybody's, where no filter leads to few rows: in the order of ids, which the primary key has.
select id, account, cls, carrier, status, record, accepted_ms, expires_ms, updated_ms, segments, price_micros, currency,
    possible_duplicate, in_doubt, client_ref, batch, campaign, tags, error_code, carrier_status, carrier_error
from messages
where {where}
order by id desc
limit $1;

-- name: get_batch
-- One batch.
select id, account, name, total, accepted, rejected, accepted_ms, complete
from batches
where id = $2 and ($1::text is null or account = $1);

-- name: count_batch
-- How far the messages of a batch are. The ids bound the days: a batch is accepted on one day, or over midnight.
select status, count(*) from messages where batch = $1 and id >= $2 and id < $3 group by status;
