-- Starts AT the position behind which events are wanted: its id is the anchor, its data aren't needed.
select
    position, stream, version, id, type, schema_version,
    case when position > $2 then data::text else 'null' end,
    metadata::text, recorded_at
from callboard.events
where log = $1 and position >= $2
order by position
limit $3
