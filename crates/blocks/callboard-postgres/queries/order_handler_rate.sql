update callboard.subscribers
set events_per_second = $3
where log = $1 and name = $2 and kind = 'event_handler'
