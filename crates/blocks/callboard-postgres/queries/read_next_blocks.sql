-- What the parked events of the table that is being rebuilt block, and how many they are.
select coalesce(array_agg(distinct b.block) filter (where b.block is not null), array[]::text[]), count(distinct p.position)
from callboard.parked_events p
left join lateral unnest(p.blocks) b (block) on true
where p.log = $1 and p.subscriber = $2 and p.build = 'next'
