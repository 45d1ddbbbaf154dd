select coalesce(max(position), 0), coalesce(max(parked), 0)
from callboard.checkpoints
where log = $1 and subscriber = $2
