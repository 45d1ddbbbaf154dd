update callboard.rebuilds
set has_shadow = true, started_at = clock_timestamp(), updated_at = clock_timestamp()
where log = $1 and subscriber = $2
