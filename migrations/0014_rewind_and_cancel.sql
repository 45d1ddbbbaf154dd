-- What operators take back: how far a log is published, and a rebuild.

-- How often a relay was rewound. A rewind to the very number that a relay has read, before it slept, is a
-- rewind all the same: compared by the number alone, that relay would take it for its own and swallow it.
alter table callboard.relays
    add column generation bigint not null default 0;

-- Drops the shadow of a rebuild that nobody wants any more, whatever hangs on the read table by now: that
-- may be why.
create function callboard.drop_shadow(in_table text) returns void
language plpgsql security definer set search_path = '' set client_min_messages = warning as $$
declare
    shadow text := callboard.beside(pg_catalog.to_regclass(in_table), '__next');
begin
    if shadow is not null then
        execute pg_catalog.format('drop table if exists %s', shadow);
    end if;
end;
$$;

revoke all on function callboard.drop_shadow from public;
grant execute on function callboard.drop_shadow to callboard_service;
