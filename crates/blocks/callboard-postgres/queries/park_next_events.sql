-- As park_events.sql, for the table that is being rebuilt: its parked events are counted when it takes its place.
insert into callboard.parked_events (log, subscriber, build, position, stream, blocks, cause, reason)
select
    $1, $2, 'next', n.position, n.stream, array(select json_array_elements_text(n.blocks::json)), $7, n.reason
from unnest($3::bigint[], $4::text[], $5::text[], $6::text[]) n (position, stream, blocks, reason)
