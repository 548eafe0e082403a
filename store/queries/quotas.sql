-- Of the api's quotas (store.reads).

-- name: count_accepted
-- How many messages of an account were accepted since a time; an index-only scan of one day's entries.
select count(*) from messages where account = $1 and accepted_ms >= $2;
