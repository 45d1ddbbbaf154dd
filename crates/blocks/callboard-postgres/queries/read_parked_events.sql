select position, stream, blocks, cause, reason, tries, parked_at
from callboard.parked_events
where log = $1 and subscriber = $2 and build = 'live'
order by position
limit $3
