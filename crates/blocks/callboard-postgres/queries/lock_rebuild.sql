-- No row when somebody else is at it, when it is paused or failed, or when there is none.
select position, event_id, throttle, has_shadow
from callboard.rebuilds
where log = $1 and subscriber = $2 and version = $3 and state = 'running'
for update skip locked
