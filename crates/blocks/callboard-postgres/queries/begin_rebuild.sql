-- One of a lower VERSION begins anew, and so does any other where $5 says so. Whoever does the work is told.
with begun as (
    insert into callboard.rebuilds as r (log, subscriber, version, target, throttle)
    values (
        $1, $2, $3,
        coalesce((select e.position from callboard.events e where e.log = $1 order by e.position desc limit 1), 0),
        $4
    )
    on conflict on constraint rebuilds_pkey do update
    set
        version = excluded.version, position = 0, event_id = excluded.event_id, target = excluded.target,
        state = 'running', reason = null, throttle = excluded.throttle, events_per_second = null, has_shadow = false,
        started_at = excluded.started_at, updated_at = excluded.updated_at
    where r.version < excluded.version or $5
    returning r.log
)
select pg_notify('callboard.rebuilds', log)
from begun
