select
    e.position, e.stream, e.version, e.id, e.type, e.schema_version, e.data::text, e.metadata::text, e.recorded_at,
    (select p.id from callboard.events p where p.log = $1 and p.position = e.position - 1)
from unnest($2::text[], $3::bigint[]) as wanted (stream, version)
cross join lateral (
    select *
    from callboard.events s
    where s.log = $1 and s.stream = wanted.stream and s.version > wanted.version and s.position <= $4
    order by s.version
    limit $5
) e
order by e.stream, e.version
limit $5
