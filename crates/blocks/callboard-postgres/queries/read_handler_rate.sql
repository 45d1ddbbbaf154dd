select events_per_second
from callboard.subscribers
where log = $1 and name = $2
