update callboard.parked_events
set cause = 'failed', reason = $4, tries = tries + 1
where log = $1 and subscriber = $2 and build = 'live' and position = $3
