update callboard.rebuilds
set state = 'failed', reason = $4, updated_at = clock_timestamp()
where log = $1 and subscriber = $2 and version = $3 and state = 'running'
