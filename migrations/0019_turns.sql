-- Writers that share a log take turns: whoever decides while another one appends decides in vain, and both pay for
-- it. A turn is a courtesy and no lock of the log: what keeps the log right is callboard.append, with turns or without.

-- Waits for the turn, which the session has until queries/append_in_turn.sql or its own end, and reads as
-- queries/read_events.sql does. An error when somebody keeps it for too long.
create function callboard.take_turn(in_log text, in_after bigint, in_limit bigint)
returns table (
    "position"     bigint,
    stream         text,
    version        bigint,
    id             uuid,
    type           text,
    schema_version integer,
    data           text,
    metadata       text,
    recorded_at    timestamptz
)
language plpgsql
as $$
begin
    perform pg_catalog.pg_advisory_lock(pg_catalog.hashtextextended('callboard turn ' || in_log, 0));
    return query
        select
            e.position, e.stream, e.version, e.id, e.type, e.schema_version,
            case when e.position > in_after then e.data::text else 'null' end,
            e.metadata::text, e.recorded_at
        from callboard.events e
        where e.log = in_log and e.position >= in_after
        order by e.position
        limit in_limit;
end;
$$;
revoke all on function callboard.take_turn from public;
grant execute on function callboard.take_turn to callboard_service;

create or replace function callboard.append(
    in_log             text,
    in_expected        bigint,
    in_expected_id     uuid,
    in_ids             uuid[],
    in_streams         text[],
    in_versions        bigint[],
    in_types           text[],
    in_schema_versions integer[],
    in_data            text[],
    in_metadata        text[],
    in_scopes          text[],
    in_keys            text[],
    in_fingerprints    bytea[],
    in_receipts        text[],
    out outcome            text,
    out head               bigint,
    out head_id            uuid,
    out recorded_at        timestamptz,
    out known_indexes      integer[],
    out known_fingerprints bytea[],
    out known_receipts     text[]
)
language plpgsql security definer
set search_path = ''
as $$
begin
    -- The size of the array is at least that of its texts, and costs nothing to ask.
    if cardinality(in_ids) > 10000 or pg_column_size(in_data) > 8388608 then
        if cardinality(in_ids) > 10000 then
            raise exception 'an append has at most 10000 events, this has %', cardinality(in_ids)
                using errcode = 'program_limit_exceeded';
        end if;
        if (select sum(octet_length(d.data)) from unnest(in_data) d (data)) > 8388608 then
            raise exception 'an append has at most 8 MiB of event data' using errcode = 'program_limit_exceeded';
        end if;
    end if;

    -- As callboard.lock_log does.
    perform from callboard.logs l where l.log = in_log for update;
    if not found then
        perform callboard.ensure_log(in_log);
        perform from callboard.logs l where l.log = in_log for update;
    end if;
    select e.position, e.id into head, head_id
    from callboard.events e
    where e.log = in_log
    order by e.position desc
    limit 1;
    if not found then
        head := 0;
        head_id := '00000000-0000-0000-0000-000000000000';
    end if;

    if head > in_expected and cardinality(in_ids) > 0 then
        select e.recorded_at into recorded_at
        from callboard.events e
        where e.log = in_log and e.position = in_expected + 1 and e.id = in_ids[1];
        if found then
            outcome := 'done';
            return;
        end if;
    end if;

    if cardinality(in_keys) > 0 then
        select
            array_agg((k.ord - 1)::integer order by k.ord),
            array_agg(i.fingerprint order by k.ord),
            array_agg(i.receipt::text order by k.ord)
        into known_indexes, known_fingerprints, known_receipts
        from unnest(in_scopes, in_keys) with ordinality k (scope, key, ord)
        cross join lateral (
            -- The limit keeps this a look-up for each key, whatever the planner believes of the table.
            select e.fingerprint, e.receipt
            from callboard.idempotency_keys e
            where e.log = in_log and e.scope = k.scope and e.key = k.key
            limit 1
        ) i;
        if known_indexes is not null then
            outcome := 'known';
            return;
        end if;
    end if;

    if (head, head_id) <> (in_expected, in_expected_id) then
        -- A row lock alone makes a commit wait for the disk, and whoever waits for the lock with it. Nothing was
        -- recorded, so there is nothing to wait for.
        perform pg_catalog.set_config('synchronous_commit', 'off', true);
        outcome := 'moved';
        return;
    end if;

    recorded_at := clock_timestamp();

    insert into callboard.events
        (log, position, stream, version, id, type, schema_version, data, metadata, recorded_at)
    select
        in_log, in_expected + n.ord, n.stream, n.version, n.id, n.type, n.schema_version,
        n.data::json, n.metadata::json, append.recorded_at
    from unnest(in_ids, in_streams, in_versions, in_types, in_schema_versions, in_data, in_metadata)
        with ordinality n (id, stream, version, type, schema_version, data, metadata, ord)
    where callboard.refuse_bound(
        case
            when n.version < 1 then 'events_version_check'
            when n.schema_version < 1 then 'events_schema_version_check'
            when octet_length(n.stream) not between 1 and 200 or n.stream collate "C" ~ '[^!-~]'
                then 'events_stream_check'
            when octet_length(n.type) not between 1 and 100 or n.type collate "C" ~ '[^!-~]'
                then 'events_type_check'
            when octet_length(n.data) > 262144 then 'events_data_size_check'
            -- The cast tells a NUL from a text that speaks of one: it refuses the former by itself.
            when strpos(n.data, '\u0000') > 0 and n.data::jsonb is null then 'events_data_nul_check'
            when octet_length(n.metadata) > 8192 then 'events_metadata_size_check'
            -- Nothing of a text of 255 bytes is longer than 255 characters.
            when octet_length(n.metadata) > 255 and (
                length(n.metadata::json ->> 'correlation_id') > 255
                or length(n.metadata::json ->> 'actor') > 255
                or length(n.metadata::json ->> 'traceparent') > 255
            ) then 'events_metadata_fields_check'
        end
    ) is null;

    if cardinality(in_keys) > 0 then
        insert into callboard.idempotency_keys (log, scope, key, fingerprint, receipt, recorded_at)
        select in_log, k.scope, k.key, k.fingerprint, k.receipt::json, append.recorded_at
        from unnest(in_scopes, in_keys, in_fingerprints, in_receipts) k (scope, key, fingerprint, receipt)
        where k.receipt is not null;
    end if;

    outcome := 'done';
end;
$$;
