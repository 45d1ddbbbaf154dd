-- Locks a checkpoint and looks whether the log holds the event at $3 with the id $4. After a
-- wait only the locked row is as it is now; that is why the number of parked events stands in it.
select
    c.version, c.position, c.event_id, c.parked, s.state, s.reason,
    exists (select from callboard.events e where e.log = $1 and e.position = $3 and e.id = $4)
from callboard.checkpoints c
join callboard.subscribers s on s.log = c.log and s.name = c.subscriber
where c.log = $1 and c.subscriber = $2
for update of c
