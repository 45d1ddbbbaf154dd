with gone as (
    delete from callboard.parked_events
    where log = $1 and subscriber = $2 and build = 'live' and position = $3
    returning *
), kept as (
    insert into callboard.discarded_events (log, subscriber, position, stream, cause, reason, because)
    select log, subscriber, position, stream, cause, reason, $4
    from gone
), counted as (
    update callboard.checkpoints c
    set parked = c.parked - 1
    from gone
    where c.log = gone.log and c.subscriber = gone.subscriber
)
select position, stream, blocks, cause, reason, tries, parked_at
from gone
