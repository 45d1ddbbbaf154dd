-- Events that a subscriber has given up on for now, with the streams and keys that each keeps later
-- ones from. Those of a table that is being rebuilt, or that was replaced, are kept apart.

create table callboard.parked_events (
    log        text collate "C" not null,
    subscriber text collate "C" not null,
    build      text collate "C" not null default 'live',
    position   bigint not null,
    stream     text collate "C" not null,
    blocks     text[] collate "C" not null,
    cause      text collate "C" not null,
    reason     text not null,
    tries      integer not null default 0,
    parked_at  timestamptz not null default clock_timestamp(),
    constraint parked_events_pkey primary key (log, subscriber, build, position),
    constraint parked_events_subscriber_fkey foreign key (log, subscriber)
        references callboard.subscribers (log, name),
    constraint parked_events_build_check check (build in ('live', 'next', 'before')),
    constraint parked_events_cause_check check (cause in ('failed', 'undecodable', 'behind'))
);

create index parked_events_blocks_idx on callboard.parked_events using gin (blocks);

-- In the row that whoever applies has locked.
alter table callboard.checkpoints add column parked bigint not null default 0;

-- What a person has given up for good, and why.
create table callboard.discarded_events (
    log          text collate "C" not null,
    subscriber   text collate "C" not null,
    position     bigint not null,
    stream       text collate "C" not null,
    cause        text collate "C" not null,
    reason       text not null,
    because      text not null,
    discarded_at timestamptz not null default clock_timestamp(),
    constraint discarded_events_pkey primary key (log, subscriber, position, discarded_at),
    constraint discarded_events_subscriber_fkey foreign key (log, subscriber)
        references callboard.subscribers (log, name)
);

grant select, insert, update, delete on callboard.parked_events to callboard_service;
grant select, insert on callboard.discarded_events to callboard_service;
