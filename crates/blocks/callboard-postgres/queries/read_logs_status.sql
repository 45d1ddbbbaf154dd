-- A log's own row is made on first use: one that only has subscribers so far is a log, too.
select
    l.log,
    coalesce(h.position, 0),
    h.recorded_at,
    r.published,
    r.holder is not null and r.leased_until > clock_timestamp()
from (
    select log from callboard.logs
    union
    select log from callboard.subscribers
) l
left join lateral (
    select e.position, e.recorded_at
    from callboard.events e
    where e.log = l.log
    order by e.position desc
    limit 1
) h on true
left join callboard.relays r on r.log = l.log
order by l.log
