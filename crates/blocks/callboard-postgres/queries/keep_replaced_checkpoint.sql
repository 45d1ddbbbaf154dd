insert into callboard.replaced_tables (log, subscriber, version, position, event_id)
values ($1, $2, $3, $4, $5)
on conflict on constraint replaced_tables_pkey do update
set
    version = excluded.version, position = excluded.position, event_id = excluded.event_id,
    replaced_at = clock_timestamp()
