-- The positions that a person has given up for good.
select distinct position
from callboard.discarded_events
where log = $1 and subscriber = $2
