-- Of `smpp-dispatch doctor` (store.inspection): what a server and its database are like.

-- name: inspect_server
-- Version, clock, and the settings that the projection rests on.
select
    current_setting('server_version') as version,
    current_setting('server_version_num')::integer as version_number,
    (extract(epoch from clock_timestamp()) * 1000)::bigint as wall_ms,
    current_setting('fsync') = 'on' as fsync,
    current_setting('full_page_writes') = 'on' as full_page_writes,
    current_setting('server_encoding') as encoding,
    current_setting('max_connections')::integer as connections_allowed,
    (select count(*) from pg_stat_activity where backend_type = 'client backend')::integer as connections,
    pg_database_size(current_database()) as bytes;

-- name: inspect_sessions
-- Sessions of our processes.
select count(*)::integer from pg_stat_activity where application_name like 'smpp-dispatch %' and datname = current_database();

-- name: inspect_positions
-- How many Kafka partitions have ever been projected.
select count(*)::integer from projection_offsets;

-- name: inspect_migrated
-- Whether any migration was ever applied.
select to_regclass('alembic_version') is not null;

-- name: inspect_revision
-- The revision of the schema.
select version_num from alembic_version;
