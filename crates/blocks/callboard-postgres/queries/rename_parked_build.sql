update callboard.parked_events
set build = $4
where log = $1 and subscriber = $2 and build = $3
