-- Process managers that park: what they have parked stands outside their state, so whoever stores what
-- it decided must have left out just that.

-- Where a subscriber's parked and discarded events stand, in order.
create function callboard.left_out(in_log text, in_name text) returns bigint[]
language sql stable
set search_path = ''
as $$
    select array(
        select p.position
        from callboard.parked_events p
        where p.log = in_log and p.subscriber = in_name and p.build = 'live'
        union
        select d.position
        from callboard.discarded_events d
        where d.log = in_log and d.subscriber = in_name
        order by 1
    );
$$;

-- Stores commands that a process manager's events call for. The first one stored wins.
create function callboard.keep_commands(
    in_log             text,
    in_name            text,
    in_positions       bigint[],
    in_indexes         integer[],
    in_names           text[],
    in_bodies          text[],
    in_causation_ids   uuid[],
    in_correlation_ids text[],
    in_traceparents    text[]
) returns void
language plpgsql
set search_path = '' set plan_cache_mode = force_generic_plan
as $$
begin
    if cardinality(in_positions) = 0 then
        return;
    end if;
    insert into callboard.pending_commands
        (log, process_manager, position, index, name, body, causation_id, correlation_id, traceparent)
    select
        in_log, in_name, n.position, n.index, n.name, n.body::json, n.causation_id, n.correlation_id, n.traceparent
    from unnest(
        in_positions, in_indexes, in_names, in_bodies, in_causation_ids, in_correlation_ids, in_traceparents
    ) n (position, index, name, body, causation_id, correlation_id, traceparent)
    on conflict on constraint pending_commands_pkey do nothing;
end;
$$;

-- Moves a process manager's checkpoint, stores the commands that the events called for, and parks what
-- must wait. Answers 'done', or nothing was stored and it is 'elsewhere' (with the checkpoint as it is,
-- also when the log doesn't hold in_to_id, or when something else than in_left_out is parked or
-- discarded; null is whatever is), 'busy' (in_skip only), 'missing' or 'standby'.
create function callboard.advance_or_park(
    in_log              text,
    in_name             text,
    in_from             bigint,
    in_from_id          uuid,
    in_to               bigint,
    in_to_id            uuid,
    in_skip             boolean,
    in_positions        bigint[],
    in_indexes          integer[],
    in_names            text[],
    in_bodies           text[],
    in_causation_ids    uuid[],
    in_correlation_ids  text[],
    in_traceparents     text[],
    in_left_out         bigint[],
    in_parked_positions bigint[],
    in_parked_streams   text[],
    in_parked_blocks    text[],
    in_parked_causes    text[],
    in_parked_reasons   text[],
    out outcome         text,
    out at_position     bigint,
    out at_id           uuid
)
language plpgsql
set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
as $$
begin
    if in_skip then
        select c.position, c.event_id into at_position, at_id
        from callboard.checkpoints c
        where c.log = in_log and c.subscriber = in_name
        for update skip locked;
    else
        select c.position, c.event_id into at_position, at_id
        from callboard.checkpoints c
        where c.log = in_log and c.subscriber = in_name
        for update;
    end if;
    if not found then
        perform from callboard.checkpoints c where c.log = in_log and c.subscriber = in_name;
        outcome := case when found then 'busy' else 'missing' end;
        return;
    end if;

    perform from callboard.subscribers s
    where s.log = in_log and s.name = in_name and s.state = 'running';
    if not found then
        outcome := 'standby';
        return;
    end if;

    perform from callboard.events e where e.log = in_log and e.position = in_to and e.id = in_to_id;
    if not found or (at_position, at_id) is distinct from (in_from, in_from_id)
        or callboard.left_out(in_log, in_name) <> in_left_out
    then
        outcome := 'elsewhere';
        return;
    end if;

    perform callboard.keep_commands(
        in_log, in_name, in_positions, in_indexes, in_names, in_bodies, in_causation_ids, in_correlation_ids,
        in_traceparents
    );
    insert into callboard.parked_events (log, subscriber, position, stream, blocks, cause, reason)
    select in_log, in_name, n.position, n.stream, array[n.block], n.cause, n.reason
    from unnest(in_parked_positions, in_parked_streams, in_parked_blocks, in_parked_causes, in_parked_reasons)
        n (position, stream, block, cause, reason);
    update callboard.checkpoints c
    set position = in_to, event_id = in_to_id, updated_at = clock_timestamp(),
        parked = c.parked + cardinality(in_parked_positions)
    where c.log = in_log and c.subscriber = in_name;
    outcome := 'done';
end;
$$;

-- What releases before this one call.
create or replace function callboard.advance_process_manager(
    in_log             text,
    in_name            text,
    in_from            bigint,
    in_from_id         uuid,
    in_to              bigint,
    in_to_id           uuid,
    in_skip            boolean,
    in_positions       bigint[],
    in_indexes         integer[],
    in_names           text[],
    in_bodies          text[],
    in_causation_ids   uuid[],
    in_correlation_ids text[],
    in_traceparents    text[],
    out outcome        text,
    out at_position    bigint,
    out at_id          uuid
)
language sql
set search_path = ''
as $$
    select a.outcome, a.at_position, a.at_id
    from callboard.advance_or_park(
        in_log, in_name, in_from, in_from_id, in_to, in_to_id, in_skip, in_positions, in_indexes, in_names, in_bodies,
        in_causation_ids, in_correlation_ids, in_traceparents, null, '{}', '{}', '{}', '{}', '{}'
    ) a;
$$;

-- Stores what parked events call for by now, and unparks them. False, and nothing is done, when
-- something else than in_left_out is parked or discarded.
create function callboard.take_up_parked(
    in_log             text,
    in_name            text,
    in_parked          bigint[],
    in_left_out        bigint[],
    in_positions       bigint[],
    in_indexes         integer[],
    in_names           text[],
    in_bodies          text[],
    in_causation_ids   uuid[],
    in_correlation_ids text[],
    in_traceparents    text[]
) returns boolean
language plpgsql
set search_path = '' set plan_cache_mode = force_generic_plan
as $$
declare
    gone bigint;
begin
    perform from callboard.checkpoints c where c.log = in_log and c.subscriber = in_name for update;
    if callboard.left_out(in_log, in_name) <> in_left_out then
        return false;
    end if;
    perform callboard.keep_commands(
        in_log, in_name, in_positions, in_indexes, in_names, in_bodies, in_causation_ids, in_correlation_ids,
        in_traceparents
    );
    delete from callboard.parked_events p
    where p.log = in_log and p.subscriber = in_name and p.build = 'live' and p.position = any (in_parked);
    get diagnostics gone = row_count;
    update callboard.checkpoints c
    set parked = c.parked - gone
    where c.log = in_log and c.subscriber = in_name;
    return true;
end;
$$;

revoke all on function callboard.left_out, callboard.keep_commands, callboard.advance_or_park, callboard.take_up_parked
    from public;
grant execute on function callboard.left_out, callboard.keep_commands, callboard.advance_or_park,
    callboard.take_up_parked
    to callboard_service;
