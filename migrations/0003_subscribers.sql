-- Who follows a log, how far each has come, and what process managers have still to send.

create table callboard.subscribers (
    log           text collate "C" not null,
    name          text collate "C" not null,
    kind          text collate "C" not null,
    state         text collate "C" not null default 'running',
    reason        text,
    registered_at timestamptz not null default now(),
    constraint subscribers_pkey primary key (log, name),
    constraint subscribers_kind_check check (kind in ('projection', 'process_manager', 'event_handler')),
    constraint subscribers_state_check check (state in ('running', 'paused', 'halted'))
);

-- Updated with each batch, hence the room for updates in place.
create table callboard.checkpoints (
    log        text collate "C" not null,
    subscriber text collate "C" not null,
    version    integer not null,
    position   bigint not null,
    event_id   uuid not null,
    updated_at timestamptz not null default now(),
    constraint checkpoints_pkey primary key (log, subscriber),
    constraint checkpoints_subscriber_fkey foreign key (log, subscriber) references callboard.subscribers (log, name),
    constraint checkpoints_position_check check (position >= 0)
) with (fillfactor = 20);

-- (position, index) is a command's identity: the event that called for it, and its place there.
create table callboard.pending_commands (
    log             text collate "C" not null,
    process_manager text collate "C" not null,
    position        bigint not null,
    index           integer not null,
    name            text collate "C" not null,
    body            json not null,
    causation_id    uuid not null,
    correlation_id  text,
    traceparent     text,
    stored_at       timestamptz not null default now(),
    constraint pending_commands_pkey primary key (log, process_manager, position, index),
    constraint pending_commands_process_manager_fkey foreign key (log, process_manager)
        references callboard.subscribers (log, name)
);

-- How far a log is published, and whose turn it is. Updated twice a second and more.
create table callboard.relays (
    log          text collate "C" not null,
    published    bigint not null default 0,
    holder       uuid,
    leased_until timestamptz not null default '-infinity',
    constraint relays_pkey primary key (log),
    constraint relays_published_check check (published >= 0)
) with (fillfactor = 20);

-- Moves a process manager's checkpoint and stores the commands that the events called for.
-- Answers 'done', or nothing was stored and it is 'elsewhere' (with the checkpoint as it is, also
-- when the log doesn't hold in_to_id), 'busy' (in_skip only), 'missing' or 'standby'.
create function callboard.advance_process_manager(
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
    if not found or (at_position, at_id) is distinct from (in_from, in_from_id) then
        outcome := 'elsewhere';
        return;
    end if;

    update callboard.checkpoints c
    set position = in_to, event_id = in_to_id, updated_at = clock_timestamp()
    where c.log = in_log and c.subscriber = in_name;

    if cardinality(in_positions) > 0 then
        -- The first one stored wins.
        insert into callboard.pending_commands
            (log, process_manager, position, index, name, body, causation_id, correlation_id, traceparent)
        select
            in_log, in_name, n.position, n.index, n.name, n.body::json, n.causation_id, n.correlation_id,
            n.traceparent
        from unnest(
            in_positions, in_indexes, in_names, in_bodies, in_causation_ids, in_correlation_ids, in_traceparents
        ) n (position, index, name, body, causation_id, correlation_id, traceparent)
        on conflict on constraint pending_commands_pkey do nothing;
    end if;
    outcome := 'done';
end;
$$;
