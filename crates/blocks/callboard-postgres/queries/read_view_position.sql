select coalesce(max(position), 0)
from callboard.checkpoints
where log = $1 and subscriber = $2 and version >= $3
