-- Locks a checkpoint and looks whether the log holds the event at $3 with the id $4, and whether
-- something was discarded behind the checkpoint, which then has gone back since. After a
-- wait only the locked row is as it is now; that is why the number of parked events stands in it.
select
    c.version, c.position, c.event_id, c.parked, s.state, s.reason,
    exists (select from callboard.events e where e.log = $1 and e.position = $3 and e.id = $4),
    exists (
        select from callboard.discarded_events d where d.log = $1 and d.subscriber = $2 and d.position > c.position
    )
from callboard.checkpoints c
join callboard.subscribers s on s.log = c.log and s.name = c.subscriber
where c.log = $1 and c.subscriber = $2
for update of c
