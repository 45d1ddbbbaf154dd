-- The functions that write the log. They run as their owner: the services' role may call them and
-- read the tables, and so can't rewrite history.
-- Their plans are settled: a plan that was made and kept while a table was small would scan it whole
-- until the next ANALYZE, long after it has grown.

-- A log's row, made on first use.
create function callboard.ensure_log(in_log text) returns void
language sql security definer set search_path = '' as $$
    insert into callboard.logs (log) values (in_log) on conflict (log) do nothing;
$$;

-- Locks a log until the end of the transaction and answers its head, which stands still then.
-- READ COMMITTED only: the head is read in a fresh snapshot, after the lock was granted.
create function callboard.lock_log(in_log text, out head bigint, out head_id uuid)
language plpgsql security definer
set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
as $$
begin
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
end;
$$;

-- Appends everything and answers 'done', or appends nothing and answers 'known' with the keys that
-- are known already (indexes from 0), or 'moved' with the head as it is. The head is compared by
-- position and id, so that a head of another timeline is never taken for the expected one.
-- Idempotent: a batch whose first event stands at in_expected + 1 already is 'done'.
-- A key without a receipt is only looked up.
create function callboard.append(
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
set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
    if cardinality(in_ids) > 10000 then
        raise exception 'an append has at most 10000 events, this has %', cardinality(in_ids)
            using errcode = 'program_limit_exceeded';
    end if;
    if (select sum(octet_length(d.data)) from unnest(in_data) d (data)) > 8388608 then
        raise exception 'an append has at most 8 MiB of event data' using errcode = 'program_limit_exceeded';
    end if;

    select l.head, l.head_id into head, head_id from callboard.lock_log(in_log) l;

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
        outcome := 'moved';
        return;
    end if;

    recorded_at := clock_timestamp();

    if cardinality(in_ids) > 0 then
        insert into callboard.events
            (log, position, stream, version, id, type, schema_version, data, metadata, recorded_at)
        select
            in_log, in_expected + n.ord, n.stream, n.version, n.id, n.type, n.schema_version,
            n.data::json, n.metadata::json, append.recorded_at
        from unnest(in_ids, in_streams, in_versions, in_types, in_schema_versions, in_data, in_metadata)
            with ordinality n (id, stream, version, type, schema_version, data, metadata, ord);
    end if;

    if cardinality(in_keys) > 0 then
        insert into callboard.idempotency_keys (log, scope, key, fingerprint, receipt, recorded_at)
        select in_log, k.scope, k.key, k.fingerprint, k.receipt::json, append.recorded_at
        from unnest(in_scopes, in_keys, in_fingerprints, in_receipts) k (scope, key, fingerprint, receipt)
        where k.receipt is not null;
    end if;

    outcome := 'done';
end;
$$;

-- Deletes at most in_limit idempotency keys that are older than in_age; answers how many.
create function callboard.delete_expired_keys(in_age interval, in_limit integer) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
    deleted bigint;
begin
    delete from callboard.idempotency_keys k
    where k.ctid = any (array(
        select e.ctid
        from callboard.idempotency_keys e
        where e.recorded_at < clock_timestamp() - in_age
        order by e.recorded_at
        limit in_limit
        for update skip locked
    ));
    get diagnostics deleted = row_count;
    return deleted;
end;
$$;
