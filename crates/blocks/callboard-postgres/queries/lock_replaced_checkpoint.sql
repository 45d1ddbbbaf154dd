select version, position, event_id
from callboard.replaced_tables
where log = $1 and subscriber = $2
for update
