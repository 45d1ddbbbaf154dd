delete from callboard.parked_events
where log = $1 and subscriber = $2 and build = $3
