-- What is copied: it can't have parameters, and a log's name needs no quoting. It starts AT the position, as `read_events.sql` does.
select
    position, stream, version, id, type, schema_version,
    case when position > {after} then data::text else 'null' end,
    metadata::text, recorded_at
from callboard.events
where log = '{log}' and position >= {after}
order by position
limit {limit}
