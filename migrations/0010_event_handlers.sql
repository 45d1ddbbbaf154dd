-- Who runs an event handler, and who hands its parked events over again: one of each at a time.

-- Renewed once a second, hence the room for updates in place.
create table callboard.handler_claims (
    log           text collate "C" not null,
    event_handler text collate "C" not null,
    role          text collate "C" not null,
    holder        uuid not null,
    held_until    timestamptz not null,
    wanted        boolean not null default false,
    constraint handler_claims_pkey primary key (log, event_handler, role),
    constraint handler_claims_event_handler_fkey foreign key (log, event_handler)
        references callboard.subscribers (log, name),
    constraint handler_claims_role_check check (role in ('run', 'retry'))
) with (fillfactor = 20);

-- Claims a role for a while, or renews the claim. Answers 'held', 'wanted' (held, and somebody else
-- asked for it since), 'elsewhere' or 'standby' (to run a handler that is paused or halted).
create function callboard.claim_event_handler(
    in_log    text,
    in_name   text,
    in_role   text,
    in_holder uuid,
    in_for    interval,
    in_wants  boolean,
    out outcome text,
    out reason  text
)
language plpgsql
set search_path = '' set plan_cache_mode = force_generic_plan
as $$
declare
    held callboard.handler_claims;
begin
    if in_role = 'run' then
        select s.state || coalesce(': ' || s.reason, '') into reason
        from callboard.subscribers s
        where s.log = in_log and s.name = in_name and s.state <> 'running';
        if found then
            outcome := 'standby';
            return;
        end if;
    end if;

    insert into callboard.handler_claims (log, event_handler, role, holder, held_until)
    values (in_log, in_name, in_role, in_holder, '-infinity')
    on conflict on constraint handler_claims_pkey do nothing;

    select c.* into held
    from callboard.handler_claims c
    where c.log = in_log and c.event_handler = in_name and c.role = in_role
    for update;

    if held.holder <> in_holder and held.held_until > clock_timestamp() then
        outcome := 'elsewhere';
        if in_wants and not held.wanted then
            update callboard.handler_claims c
            set wanted = true
            where c.log = in_log and c.event_handler = in_name and c.role = in_role;
        end if;
        return;
    end if;

    outcome := case
        when held.wanted and held.holder = in_holder and held.held_until > clock_timestamp() then 'wanted'
        else 'held'
    end;
    update callboard.handler_claims c
    set holder = in_holder, held_until = clock_timestamp() + in_for, wanted = false
    where c.log = in_log and c.event_handler = in_name and c.role = in_role;
end;
$$;

-- Locks an event handler's checkpoint for whoever claims to run it. No row when somebody else does:
-- the claim's row is held as well, so that nobody takes over meanwhile.
create function callboard.lock_event_handler(
    in_log   text,
    in_name  text,
    in_holder uuid,
    out at_position bigint,
    out at_id       uuid
)
returns setof record
language plpgsql
set search_path = '' set plan_cache_mode = force_generic_plan
as $$
begin
    perform from callboard.handler_claims c
    where c.log = in_log and c.event_handler = in_name and c.role = 'run'
        and c.holder = in_holder and c.held_until > clock_timestamp()
    for share;
    if not found then
        return;
    end if;
    return query
    select c.position, c.event_id
    from callboard.checkpoints c
    where c.log = in_log and c.subscriber = in_name
    for update;
end;
$$;

-- Moves an event handler's checkpoint. Answers 'done', 'elsewhere' (with the checkpoint as it is, also
-- when the log doesn't hold in_to_id) or 'lost' (the claim).
create function callboard.advance_event_handler(
    in_log     text,
    in_name    text,
    in_holder  uuid,
    in_from    bigint,
    in_from_id uuid,
    in_to      bigint,
    in_to_id   uuid,
    out outcome     text,
    out at_position bigint,
    out at_id       uuid
)
language plpgsql
set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
as $$
begin
    select l.at_position, l.at_id into at_position, at_id
    from callboard.lock_event_handler(in_log, in_name, in_holder) l;
    if not found then
        outcome := 'lost';
        return;
    end if;
    perform from callboard.events e where e.log = in_log and e.position = in_to and e.id = in_to_id;
    if not found or (at_position, at_id) is distinct from (in_from, in_from_id) then
        outcome := 'elsewhere';
        return;
    end if;
    update callboard.checkpoints c
    set position = in_to, event_id = in_to_id, updated_at = clock_timestamp()
    where c.log = in_log and c.subscriber = in_name;
    outcome := 'done';
end;
$$;

-- Parks events of one stream. Those that only stand behind others are parked if the stream still has
-- a parked one. Answers 'done', 'free', 'too_many' or 'lost' (the claim).
create function callboard.park_lane(
    in_log       text,
    in_name      text,
    in_holder    uuid,
    in_stream    text,
    in_block     text,
    in_positions bigint[],
    in_causes    text[],
    in_reasons   text[],
    in_most      bigint
) returns text
language plpgsql
set search_path = '' set plan_cache_mode = force_generic_plan
as $$
declare
    added bigint;
begin
    perform from callboard.lock_event_handler(in_log, in_name, in_holder);
    if not found then
        return 'lost';
    end if;
    if 'behind' = all (in_causes) then
        perform from callboard.parked_events p
        where p.log = in_log and p.subscriber = in_name and p.build = 'live' and p.stream = in_stream;
        if not found then
            return 'free';
        end if;
    end if;
    perform from callboard.checkpoints c
    where c.log = in_log and c.subscriber = in_name and c.parked + cardinality(in_positions) > in_most;
    if found then
        return 'too_many';
    end if;
    with parked as (
        insert into callboard.parked_events (log, subscriber, position, stream, blocks, cause, reason)
        select in_log, in_name, n.position, in_stream, array[in_block], n.cause, n.reason
        from unnest(in_positions, in_causes, in_reasons) n (position, cause, reason)
        on conflict on constraint parked_events_pkey do nothing
        returning 1
    )
    select count(*) into added from parked;
    update callboard.checkpoints c
    set parked = c.parked + added
    where c.log = in_log and c.subscriber = in_name;
    return 'done';
end;
$$;

revoke all on function callboard.claim_event_handler, callboard.lock_event_handler,
    callboard.advance_event_handler, callboard.park_lane from public;
grant execute on function callboard.claim_event_handler, callboard.lock_event_handler,
    callboard.advance_event_handler, callboard.park_lane to callboard_service;
grant select, insert, update, delete on callboard.handler_claims to callboard_service;
