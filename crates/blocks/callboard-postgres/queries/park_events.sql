-- $3 to $6 are arrays of the same length; $5 has the blocks of each as a JSON array.
with parked as (
    insert into callboard.parked_events (log, subscriber, position, stream, blocks, cause, reason)
    select
        $1, $2, n.position, n.stream, array(select json_array_elements_text(n.blocks::json)), $7, n.reason
    from unnest($3::bigint[], $4::text[], $5::text[], $6::text[]) n (position, stream, blocks, reason)
    returning 1
)
update callboard.checkpoints
set parked = callboard.checkpoints.parked + (select count(*) from parked)
where log = $1 and subscriber = $2
