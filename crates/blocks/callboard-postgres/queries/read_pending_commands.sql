-- None while the process manager is paused or halted: whoever stopped it wants nothing more of it.
select position, index, name, body::text, causation_id, correlation_id, traceparent
from callboard.pending_commands
where log = $1 and process_manager = $2
  and exists (select from callboard.subscribers s where s.log = $1 and s.name = $2 and s.state = 'running')
order by position, index
limit $3
