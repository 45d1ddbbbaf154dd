select version, position, event_id
from callboard.checkpoints
where log = $1 and subscriber = $2
for update
