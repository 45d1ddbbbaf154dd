-- How many are parked, and the newest of those that wait for code that can decode them; 0 without any.
select
    c.parked,
    case when c.parked > 0 then coalesce((
        select max(p.position) from callboard.parked_events p
        where p.log = c.log and p.subscriber = c.subscriber and p.build = 'live' and p.cause = 'undecodable'
    ), 0) else 0 end
from callboard.checkpoints c
where c.log = $1 and c.subscriber = $2
