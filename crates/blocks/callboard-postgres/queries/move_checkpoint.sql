update callboard.checkpoints
set position = $3, event_id = $4, updated_at = clock_timestamp()
where log = $1 and subscriber = $2
