update callboard.checkpoints c
set parked = (
    select count(*) from callboard.parked_events p
    where p.log = c.log and p.subscriber = c.subscriber and p.build = 'live'
)
where c.log = $1 and c.subscriber = $2
returning parked
