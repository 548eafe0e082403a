"""The projection: messages, submissions, receipts, doubts, batches, inbound, reference, positions, the auditors' view."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

# Ids and keys compare bytewise (collate "C"), which is what they mean and a third of the price. Times are Unix
# milliseconds. `messages` and `submissions` hold a partition a day, each with a default one for days out of bounds.
MESSAGES = """
create table messages (
    id uuid not null,
    accepted_ms bigint not null,
    expires_ms bigint not null,
    updated_ms bigint not null,
    price_micros bigint not null,
    rev integer not null,
    cls smallint not null,
    status smallint not null,
    attempt smallint not null,
    hop smallint not null,
    segments smallint not null,
    entries smallint not null,
    possible_duplicate boolean not null,
    in_doubt boolean not null,
    carrier text collate "C" not null,
    timeline bytea not null,
    account text collate "C",
    currency text collate "C",
    destination bytea,
    record bytea,
    client_ref text collate "C",
    batch uuid,
    campaign text collate "C",
    tags text[] collate "C",
    smsc_ids text collate "C",
    error_code text collate "C",
    carrier_status bigint,
    carrier_error text,
    primary key (id)
) partition by range (id);
alter table messages alter column record set storage external;
alter table messages alter column timeline set storage external;
create index messages_by_account on messages (account, accepted_ms, id);
create index messages_by_destination on messages (destination);
create index messages_by_client_ref on messages (client_ref) where client_ref is not null;
create index messages_by_batch on messages (batch, accepted_ms, id) where batch is not null;
create table messages_default partition of messages default;

comment on table messages is
    'One row a message; written by the recorder only. Partitioned by id, whose first 48 bits tell the day of'
    ' acceptance. No column that changes is indexed, so that updates stay in their page.';
comment on column messages.rev is 'Grows with each change: whoever changes the row names the one that was read.';
comment on column messages.cls is '0 otp, 1 notice, 2 marketing (schemas.classes).';
comment on column messages.status is 'schemas.status.Status; final from 80 on.';
comment on column messages.entries is 'Entries in the timeline.';
comment on column messages.timeline is 'What is known of the message, entry by entry: store.timeline.';
comment on column messages.account is 'Null while only an outcome is known and the message is still to come.';
comment on column messages.destination is 'Blind index of the number, keyed by account.';
comment on column messages.record is
    'The newest copy of the MtMessage as it stood in Kafka: destination, sender and text are sealed.';
comment on column messages.smsc_ids is 'The ids that SMSCs gave its segments, separated by chr(31).';
comment on column messages.carrier_status is 'command_status of the refusal.';
comment on column messages.carrier_error is 'Error of the receipt, as the carrier wrote it.';
"""

SUBMISSIONS = """
create table submissions (
    submitted_ms bigint not null,
    id uuid not null,
    send smallint not null,
    part smallint not null,
    check_bits smallint not null,
    carrier text collate "C" not null,
    key text collate "C" not null
) partition by range (submitted_ms);
create index submissions_by_key on submissions (key, carrier);
create index submissions_by_time on submissions using brin (submitted_ms) with (pages_per_range = 16);
create table submissions_default partition of submissions default;

comment on table submissions is
    'One row a segment that a carrier took: what receipts are matched against. Partitioned by the day of the submit.'
    ' Never updated: what became of a segment is in the timeline of its message.';
comment on column submissions.send is 'Which submit of the message: its place among those in the timeline.';
comment on column submissions.key is 'Canonical form of the id (smpp.message_ids); empty when the carrier gave none.';
comment on column submissions.check_bits is 'Fifteen bits of the destination''s index (schemas.sealing.check_of).';

create table parked_receipts (
    carrier text collate "C" not null,
    part integer not null,
    log_offset bigint not null,
    rank smallint not null,
    key text collate "C" not null,
    at_ms bigint not null,
    next_ms bigint not null,
    tries smallint not null,
    record bytea not null,
    primary key (carrier, part, log_offset, rank)
);
create index parked_receipts_by_key on parked_receipts (key, carrier);
create index parked_receipts_due on parked_receipts (next_ms) where rank = 0;
comment on table parked_receipts is
    'Receipts whose submission is not known yet, a row for each of their keys. Tried again every second.';
comment on column parked_receipts.part is 'Partition of outcomes.<carrier>; with log_offset it names the record.';
comment on column parked_receipts.rank is '0: the id in the receipt''s own form.';

create table receipt_history (
    carrier text collate "C" not null,
    part integer not null,
    log_offset bigint not null,
    at_ms bigint not null,
    reason text not null,
    record bytea not null,
    primary key (carrier, part, log_offset)
);
create index receipt_history_by_time on receipt_history (at_ms);
comment on table receipt_history is
    'Receipts that no submission claimed in time, or that name no message. Kept as long as messages are.';
"""

LISTS = """
create table in_doubt (
    id uuid not null,
    at_ms bigint not null,
    attempt smallint not null,
    hop smallint not null,
    cls smallint not null,
    lane smallint not null,
    check_bits smallint not null,
    until_ms bigint not null,
    resolved_ms bigint,
    carrier text collate "C" not null,
    reason text not null,
    action text not null,
    resolution text,
    primary key (id, carrier, attempt, hop, at_ms, reason)
);
create index in_doubt_open on in_doubt (at_ms, id) where resolved_ms is null;
create index in_doubt_by_time on in_doubt (at_ms, id);
comment on table in_doubt is
    'Each time a message may have been sent without an answer (reason owner_lost, bind_lost, no_answer), and repeats'
    ' that nobody listed (possible_duplicate).';
comment on column in_doubt.resolved_ms is 'Time of the answer that ended the doubt; null while it lasts.';
comment on column in_doubt.until_ms is 'For the action waiting: when the wait for evidence ends.';

create table due_messages (
    id uuid primary key,
    due_ms bigint not null,
    attempt smallint not null,
    hop smallint not null,
    reason text collate "C" not null
);
create index due_messages_by_time on due_messages (due_ms);
comment on table due_messages is
    'What the scheduler is to look at, and when: reason scheduled, deferred, retry, waiting or resolved.';

create table releases (
    id uuid primary key,
    fixed_ms bigint not null,
    owner bigint not null,
    attempt smallint not null,
    hop smallint not null,
    part integer not null,
    acked boolean not null default false,
    topic text collate "C" not null,
    key bytea not null,
    value bytea not null
);
create index releases_by_owner on releases (owner, acked);
comment on table releases is
    'What the scheduler has decided and published, or is about to: fixed here first, so that a crash in between publishes'
    ' the same again or finds that it was seen. A row goes when the projection knows of its turn.';
comment on column releases.owner is 'The advisory lock that the scheduler''s session holds while it lives.';

create table batches (
    id uuid primary key,
    account text collate "C" not null,
    name text not null,
    total integer not null,
    accepted integer not null,
    rejected integer not null,
    accepted_ms bigint not null,
    updated_ms bigint not null,
    complete boolean not null
);
create index batches_by_account on batches (account, accepted_ms, id);
comment on table batches is 'One row a batch request. How far its messages are is counted from messages.';

create table inbound (
    id uuid primary key,
    at_ms bigint not null,
    lane smallint not null,
    account text collate "C" not null,
    carrier text collate "C" not null,
    number text collate "C" not null,
    handset bytea not null,
    sealed bytea not null
);
create index inbound_by_account on inbound (account, at_ms, id);
create index inbound_by_time on inbound (at_ms);
comment on table inbound is 'Messages from handsets. `number` is ours, `handset` the blind index of theirs.';

create table accounts (
    name text collate "C" primary key,
    suspended boolean not null,
    rate_per_s integer not null,
    per_day integer not null,
    updated_ms bigint not null
);
comment on table accounts is 'Accounts as the reference topic has them: for reports. Decisions are taken from the topic.';

create table api_keys (
    id text collate "C" primary key,
    account text collate "C" not null,
    sha256 bytea not null,
    scopes text[] not null,
    live boolean not null,
    name text not null,
    revoked_ms bigint not null,
    updated_ms bigint not null
);
comment on table api_keys is 'Keys as the reference topic has them; of the secret only its SHA-256.';

create table audit_log (
    at_ms bigint not null,
    log_offset bigint not null,
    kind text collate "C" not null,
    subject text collate "C" not null,
    actor text not null,
    reason text not null,
    what jsonb not null,
    primary key (at_ms, log_offset, kind, subject)
);
comment on table audit_log is
    'Who did what, when and why. Outlives rebuilds: Kafka compacts the topic that it is written from.';

create table projection_offsets (
    topic text collate "C" not null,
    part integer not null,
    next bigint not null,
    primary key (topic, part)
) with (fillfactor = 50);
comment on table projection_offsets is
    'The next record to project of each partition. Moved by compare-and-set in the transaction of the rows.';

create table chores (
    name text collate "C" not null,
    subject text collate "C" not null,
    value bigint not null,
    primary key (name, subject)
) with (fillfactor = 50);
comment on table chores is 'How far the recorder''s housekeeping has come, by chore and what it is about.';
"""

AUDITORS = """
create view audit_messages as
select
    id,
    client_ref,
    case cls when 0 then 'otp' when 1 then 'notice' when 2 then 'marketing' end as class,
    carrier,
    case status
        when 5 then 'held' when 10 then 'scheduled' when 20 then 'queued' when 40 then 'sent' when 60 then 'unknown'
        when 80 then 'delivered' when 81 then 'undelivered' when 82 then 'expired' when 83 then 'failed'
        when 84 then 'blocked' when 85 then 'canceled'
    end as status,
    status >= 80 as is_final,
    possible_duplicate,
    in_doubt,
    coalesce(string_to_array(smsc_ids, chr(31)), '{}') as smsc_message_ids
from messages;
comment on view audit_messages is 'For auditors (CONTRACT): a row a message, in words.';
"""


def upgrade() -> None:
    for statements in (MESSAGES, SUBMISSIONS, LISTS, AUDITORS):
        op.execute(statements)


def downgrade() -> None:
    raise NotImplementedError("the projection goes forward only: rebuild it from Kafka instead")
