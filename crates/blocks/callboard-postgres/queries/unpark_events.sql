with gone as (
    delete from callboard.parked_events
    where log = $1 and subscriber = $2 and build = 'live' and position = any ($3)
    returning 1
)
update callboard.checkpoints
set parked = callboard.checkpoints.parked - (select count(*) from gone)
where log = $1 and subscriber = $2
