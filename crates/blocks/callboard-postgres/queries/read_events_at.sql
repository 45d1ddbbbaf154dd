-- The previous event's id in the tenth column; none at position 1.
select
    e.position, e.stream, e.version, e.id, e.type, e.schema_version, e.data::text, e.metadata::text, e.recorded_at,
    (select b.id from callboard.events b where b.log = e.log and b.position = e.position - 1)
from callboard.events e
where e.log = $1 and e.position = any ($2)
order by e.position
