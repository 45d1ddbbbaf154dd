-- The parked events that block one of $3.
select position, stream, blocks, cause, reason, tries, parked_at
from callboard.parked_events
where log = $1 and subscriber = $2 and build = 'live' and blocks && $3::text[]
order by position
