-- The lag in seconds is the age of the first event that isn't applied yet.
select
    s.log,
    s.name,
    s.kind,
    s.state,
    s.reason,
    c.version,
    c.position,
    c.updated_at,
    extract(epoch from clock_timestamp() - n.recorded_at)::float8,
    (select count(*) from callboard.pending_commands p where p.log = s.log and p.process_manager = s.name),
    r.version,
    r.state,
    r.reason,
    r.position,
    r.events_per_second,
    o.version,
    o.position,
    coalesce(c.parked, 0),
    s.events_per_second
from callboard.subscribers s
left join callboard.checkpoints c on c.log = s.log and c.subscriber = s.name
left join callboard.events n on n.log = s.log and n.position = coalesce(c.position, 0) + 1
left join callboard.rebuilds r on r.log = s.log and r.subscriber = s.name
left join callboard.replaced_tables o on o.log = s.log and o.subscriber = s.name
order by s.log, s.name
