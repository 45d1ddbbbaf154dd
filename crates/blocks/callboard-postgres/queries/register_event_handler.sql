-- The first replica wins: registration and checkpoint come together, or not at all.
with registered as (
    insert into callboard.subscribers (log, name, kind)
    values ($1, $2, 'event_handler')
    on conflict on constraint subscribers_pkey do nothing
    returning log, name
)
insert into callboard.checkpoints (log, subscriber, version, position, event_id)
select log, name, 1, $3, $4
from registered
