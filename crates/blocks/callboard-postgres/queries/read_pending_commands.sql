select position, index, name, body::text, causation_id, correlation_id, traceparent
from callboard.pending_commands
where log = $1 and process_manager = $2
order by position, index
limit $3
