update callboard.rebuilds
set position = $3, event_id = $4, events_per_second = coalesce($5, events_per_second), updated_at = clock_timestamp()
where log = $1 and subscriber = $2
