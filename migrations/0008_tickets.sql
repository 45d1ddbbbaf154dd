-- The read tables of the tickets. Text that orders things is collated by bytes, the same everywhere.
create schema if not exists tickets;

create table tickets.tickets (
    id             uuid not null,
    organisation   text collate "C",
    title          text collate "C" not null,
    description    text collate "C" not null,
    status         text collate "C" not null,
    assignee       text collate "C",
    resolution     text collate "C",
    added_by       text collate "C",
    added_at       timestamptz not null,
    changed_at     timestamptz not null,
    version        bigint not null,
    added_position bigint not null,
    constraint tickets_pkey primary key (id)
) with (fillfactor = 80);

-- Every list is of one organisation, in the order in which its tickets were added.
create index tickets_added_idx on tickets.tickets (organisation, added_position, id);
create index tickets_status_idx on tickets.tickets (organisation, status, added_position, id);
create index tickets_assignee_idx on tickets.tickets (organisation, assignee, added_position, id);

create table tickets.ticket_history (
    ticket      uuid not null,
    version     bigint not null,
    event       text collate "C" not null,
    actor       text collate "C",
    recorded_at timestamptz not null,
    title       text collate "C",
    assignee    text collate "C",
    resolution  text collate "C",
    constraint ticket_history_pkey primary key (ticket, version)
);

grant usage on schema tickets to callboard_service;
grant select, insert, update, delete on all tables in schema tickets to callboard_service;
alter default privileges in schema tickets
    grant select, insert, update, delete on tables to callboard_service;
