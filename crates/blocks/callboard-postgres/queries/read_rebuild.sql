select r.version, r.state, r.reason, r.position, r.events_per_second, coalesce(h.position, 0)
from callboard.rebuilds r
left join lateral (
    select e.position
    from callboard.events e
    where e.log = r.log
    order by e.position desc
    limit 1
) h on true
where r.log = $1 and r.subscriber = $2
