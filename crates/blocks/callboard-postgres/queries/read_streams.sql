-- With the id at the position up to which is read in each row; one row of nulls and it without any event.
-- Stream by stream, each in order: nothing is sorted, or each page would read all that is left. That holds
-- because the inner query, which has a limit of its own, can only be asked anew for each stream; whoever
-- reads the rows checks it.
select
    e.position, e.stream, e.version, e.id, e.type, e.schema_version, e.data::text, e.metadata::text, e.recorded_at,
    (select p.id from callboard.events p where p.log = $1 and p.position = e.position - 1),
    anchor.id
from (select (select a.id from callboard.events a where a.log = $1 and a.position = $4)) anchor (id)
left join (
    select s.*
    from unnest($2::text[], $3::bigint[]) as wanted (stream, version)
    cross join lateral (
        select *
        from callboard.events s
        where s.log = $1 and s.stream = wanted.stream and s.version > wanted.version and s.position <= $4
        order by s.version
        limit $5
    ) s
    limit $5
) e on true
