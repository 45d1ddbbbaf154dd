-- The log: one totally ordered, gapless sequence of events for each context.
create schema if not exists callboard;

-- A log's row is the lock of its sequencer. It is locked and never updated: an updated counter
-- decays under any long snapshot. The head is the last position in callboard.events.
create table callboard.logs (
    log        text collate "C" not null,
    created_at timestamptz not null default now(),
    constraint logs_pkey primary key (log),
    constraint logs_log_check check (log ~ '^[a-z][a-z0-9_]{0,39}$')
);

-- No foreign key to callboard.logs: it would cost a lookup for each event, and only
-- callboard.append writes here, which holds the log's row locked.
-- data and metadata are json, not jsonb: the text stays as it was written, so that log and broker
-- carry the same bytes.
create table callboard.events (
    log            text collate "C" not null,
    position       bigint not null,
    stream         text collate "C" not null,
    version        bigint not null,
    id             uuid not null,
    type           text collate "C" not null,
    schema_version integer not null,
    data           json not null,
    metadata       json not null,
    recorded_at    timestamptz not null,
    constraint events_pkey primary key (log, position),
    -- The stream first: so nothing but the primary key suits a look-up by log and position, however
    -- little the planner knows of a table that has just begun to grow.
    constraint events_stream_version_key unique (stream, log, version),
    constraint events_position_check check (position > 0),
    constraint events_version_check check (version > 0),
    constraint events_schema_version_check check (schema_version > 0),
    -- Lengths apart from characters: counted repetitions make a regular expression slow, and these
    -- two were three quarters of an append's work.
    constraint events_stream_check check (length(stream) between 1 and 200 and stream !~ '[^!-~]'),
    constraint events_type_check check (length(type) between 1 and 100 and type !~ '[^!-~]'),
    constraint events_data_size_check check (octet_length(data::text) <= 262144),
    -- No row of a view can hold a NUL character. The cast fails on a real one, and passes where
    -- the text merely speaks of one (an escaped backslash in front).
    constraint events_data_nul_check check (strpos(data::text, '\u0000') = 0 or data::jsonb is not null),
    constraint events_metadata_size_check check (octet_length(metadata::text) <= 8192),
    constraint events_metadata_fields_check check (
        length(metadata ->> 'correlation_id') <= 255 is not false
        and length(metadata ->> 'actor') <= 255 is not false
        and length(metadata ->> 'traceparent') <= 255 is not false
    )
);

create table callboard.idempotency_keys (
    log         text collate "C" not null,
    scope       text collate "C" not null,
    key         text collate "C" not null,
    fingerprint bytea not null,
    receipt     json not null,
    recorded_at timestamptz not null,
    constraint idempotency_keys_pkey primary key (log, scope, key),
    constraint idempotency_keys_scope_check check (length(scope) between 1 and 300),
    constraint idempotency_keys_key_check check (length(key) between 1 and 255),
    constraint idempotency_keys_fingerprint_check check (octet_length(fingerprint) = 32)
);

-- For expiry.
create index idempotency_keys_recorded_at_idx on callboard.idempotency_keys (recorded_at);
