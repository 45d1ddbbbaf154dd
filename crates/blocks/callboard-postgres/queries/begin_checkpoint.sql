with unparked as (
    delete from callboard.parked_events
    where log = $1 and subscriber = $2 and build = 'live'
)
insert into callboard.checkpoints (log, subscriber, version, position, event_id)
values ($1, $2, $3, 0, '00000000-0000-0000-0000-000000000000')
on conflict on constraint checkpoints_pkey do update
set version = excluded.version, position = 0, event_id = excluded.event_id, parked = 0, updated_at = clock_timestamp()
