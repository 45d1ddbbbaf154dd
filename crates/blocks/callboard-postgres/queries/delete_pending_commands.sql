delete from callboard.pending_commands c
using unnest($3::bigint[], $4::integer[]) as answered (position, index)
where c.log = $1 and c.process_manager = $2 and c.position = answered.position and c.index = answered.index
