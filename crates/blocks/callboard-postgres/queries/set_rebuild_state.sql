update callboard.rebuilds
set state = $3, reason = $4, updated_at = clock_timestamp()
where log = $1 and subscriber = $2
